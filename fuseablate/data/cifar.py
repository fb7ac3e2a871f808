"""CIFAR-10 and CIFAR-100, found, checked, downloaded and read through torchvision."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import calculate_md5, extract_archive

from fuseablate.data.parts import Data, Part, make_data, stratified_split
from fuseablate.data.sets import Request, Triple
from fuseablate.errors import InputError

OFFICIAL: Mapping[str, Any] = {"cifar100": CIFAR100, "cifar10": CIFAR10}

# The source's numbers, for CIFAR-10 too.
MEAN: Triple = (0.4914, 0.4822, 0.4465)
STD: Triple = (0.2023, 0.1994, 0.2010)


def load(request: Request) -> Data:
    """Return CIFAR-10 or CIFAR-100, its training set split 45,000 / 5,000, or all 50,000.

    The root holds the official folder (`cifar-100-python`) or its archive, or is that folder
    itself. Where neither is there, the archive is downloaded, checked and unpacked apart, and
    the folder appears in the root whole. Files that are there are never replaced. The MD5 of all
    files, the test set's too, is checked now; the test images are read when asked for.

    Raise `InputError` for a missing, truncated or altered file, and for a failed download.
    """
    name = request.dataset.name
    assert request.root is not None
    root = request.root.expanduser()
    if root.name == OFFICIAL[name].base_folder:
        root = root.parent
    if not (root / OFFICIAL[name].base_folder).exists():
        _provide(name, root, request.download)
    official = _open(name, root, train=True)
    whole = _part(official)
    train, val = stratified_split(whole.labels, official.classes, request.split_seed, request.val)
    if request.mean is None and request.std is None:
        request = replace(request, mean=MEAN, std=STD)
    return make_data(
        request,
        official.classes,
        train=whole.select(train),
        val=whole.select(val),
        read_test=lambda: _part(_open(name, root, train=False)),
        source={"name": name, "content": _expected_md5(name)},
    )


def _open(name: str, root: Path, train: bool) -> Any:
    """Return torchvision's data set, which checks the MD5 of every file first."""
    try:
        return OFFICIAL[name](root, train=train)
    except RuntimeError as error:
        raise _damage(name, root / OFFICIAL[name].base_folder) from error
    except OSError as error:
        raise InputError(f"{name}: {error}") from error


def _part(official: Any) -> Part:
    images = torch.from_numpy(np.ascontiguousarray(official.data))
    return Part(images.permute(0, 3, 1, 2), torch.tensor(official.targets))


def _expected_md5(name: str) -> dict[str, str]:
    official = OFFICIAL[name]
    meta = (official.meta["filename"], official.meta["md5"])
    return dict((*official.train_list, *official.test_list, meta))


def _damage(name: str, folder: Path) -> InputError:
    """Return the error for the first file of `folder` that is not the official one."""
    mend = f"put the official file there, or remove {folder} to have the whole set downloaded"
    for filename, expected in _expected_md5(name).items():
        file = folder / filename
        if not file.is_file():
            return InputError(f"{name}: {file} is missing; {mend}")
        md5 = calculate_md5(file)
        if md5 != expected:
            fault = f"has MD5 {md5}, not {expected}: it is truncated or altered"
            return InputError(f"{name}: {file} {fault}; {mend}")
    return InputError(f"{name}: {folder} changed while it was read; start again")


def _provide(name: str, root: Path, download: bool) -> None:
    """Put the official folder into `root`, from the archive that lies there or the network."""
    official = OFFICIAL[name]
    archive = root / official.filename
    if root.exists() and not root.is_dir():
        raise InputError(f"{name}: {root} is not a folder; name the one with the data set in it")
    neither = f"{name}: neither {official.base_folder} nor {official.filename} is in {root}"
    if archive.is_file():
        md5 = calculate_md5(archive)
        if md5 != official.tgz_md5:
            raise InputError(
                f"{name}: {archive} has MD5 {md5}, not {official.tgz_md5}: it is truncated or "
                "altered; put the official file there, or remove it to have it downloaded"
            )
    elif not download:
        raise InputError(f"{neither}; put one of them there, or allow the download")
    present = next(path for path in (root, *root.absolute().parents) if path.exists())
    try:
        # Beside `root`, so that the last step is one renaming; not in it, so that a failure
        # leaves no new folder behind.
        with tempfile.TemporaryDirectory(dir=present, prefix=f".{official.base_folder}.") as apart:
            if archive.is_file():
                extract_archive(archive, apart)
            else:
                official(apart, download=True)
            root.mkdir(parents=True, exist_ok=True)
            (Path(apart) / official.base_folder).replace(root / official.base_folder)
    except (OSError, RuntimeError, HTTPException) as error:
        if (root / official.base_folder).exists():
            return  # another process was faster; what it put there is checked like any other
        raise InputError(
            f"{neither}, and getting it from {archive if archive.is_file() else official.url} "
            f"failed ({error}); put the folder or the archive there"
        ) from error
