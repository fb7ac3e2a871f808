"""Latency: what is timed, and how a failure is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate.engines.latency import measured
from fuseablate.errors import InputError
from fuseablate.plugins import files, load_plugin
from fuseablate.plugins.registry import remove
from fuseablate.spec.catalog import load_spec

PLUGIN = """
from fuseablate import register
from fuseablate.layers import Activation
print("whatever a plug-in says")
register("activations", "mine", Activation("Mine", "torch.nn:Softsign", ("softsign",)))
"""


def test_networks_are_measured_side_by_side_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOADED", {})  # of this process, whose other tests go on without
    (tmp_path / "mine.py").write_text(PLUGIN)
    load_plugin(tmp_path / "mine.py")
    try:
        spec = load_spec("fusenet").edit("fuse.nl=mine")
        thin = spec.edit("fuse.exp=x0.1", "fuse.out=x0.1", "13.out=8", "15.out=8")
        wide, narrow = measured([spec, thin], (224, 224), "cpu")
        assert 0 < narrow < wide
    finally:
        remove("activations", "mine")


def test_a_device_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^latency on nodevice: could not be measured: .+"):
        measured([load_spec("fusenet")], (32, 32), "nodevice")
