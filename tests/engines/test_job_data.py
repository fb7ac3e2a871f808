"""The data of jobs, in the process that sends them to the workers of a cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fuseablate.data import load_data
from fuseablate.engines import offer_data
from fuseablate.engines.worker import load_job_data
from fuseablate.errors import InputError
from tests.helpers.image_folder import images


def test_a_folder_that_was_decoded_is_not_decoded_again(tmp_path: Path) -> None:
    images(tmp_path / "images", classes=2, count=10)
    source = {"name": "folder", "root": str(tmp_path / "images"), "size": 8}
    data = load_data("folder", tmp_path / "images", size=8)
    offer_data(source, data)
    shutil.rmtree(tmp_path / "images")
    assert load_job_data(source) is data
    del data  # as long as its owner holds it, and no longer
    with pytest.raises(InputError, match="images"):
        load_job_data(source)
