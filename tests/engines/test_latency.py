"""Latency: what is timed, and how a failure is told."""

from __future__ import annotations

import pytest

from fuseablate.engines.latency import measured
from fuseablate.errors import InputError
from fuseablate.spec.catalog import load_spec


def test_networks_are_measured_side_by_side_in_their_order() -> None:
    spec = load_spec("fusenet")
    thin = spec.edit("fuse.exp=x0.1", "fuse.out=x0.1", "13.out=8", "15.out=8")
    wide, narrow = measured([spec, thin], (224, 224), "cpu")
    assert 0 < narrow < wide


def test_a_device_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^latency on nodevice: could not be measured: .+"):
        measured([load_spec("fusenet")], (32, 32), "nodevice")
