"""Checkpoints: all that the next epoch depends on, and nothing that cannot be trusted.

The newest is `checkpoint.pt`; the one of the epoch before is kept beside it, for the case that
the disk spoils the newest. A file that is torn, unreadable or another run's is renamed to
`checkpoint.pt.bad-N`, with a warning.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from fuseablate.runs import NEWEST, PREVIOUS, RunFolder


def save(folder: RunFolder, digest: str, state: dict[str, Any]) -> None:
    """Write the state of the run `digest`; the checkpoint so far becomes the previous one."""
    content = io.BytesIO()
    torch.save({"run": digest, "state": state}, content)
    newest = folder.path / NEWEST
    if newest.exists():
        newest.replace(folder.path / PREVIOUS)
    folder.write(NEWEST, content.getvalue())


def saved(folder: RunFolder) -> Iterator[Path]:
    """Yield the checkpoints that are there, the newest first."""
    for name in (NEWEST, PREVIOUS):
        if (folder.path / name).exists():
            yield folder.path / name


def load(path: Path, digest: str) -> dict[str, Any]:
    """Return the state that `save` wrote for the run `digest`, its tensors on the CPU.

    Anything else in the file raises an exception, whose type depends on what is wrong.
    """
    content = io.BytesIO(path.read_bytes())
    # torch.load does not check the sums that its zip file holds.
    spoilt = zipfile.ZipFile(content).testzip()
    if spoilt is not None:
        raise ValueError(f"{spoilt} has a wrong checksum")
    content.seek(0)
    checkpoint = torch.load(content, map_location="cpu", weights_only=True)
    if checkpoint["run"] != digest:
        raise ValueError(f"it belongs to the run {checkpoint['run'][:16]}")
    state: dict[str, Any] = checkpoint["state"]
    return state


def set_aside(path: Path) -> Path:
    """Rename a checkpoint to the first free name of the form `checkpoint.pt.bad-N`."""
    names = (path.with_name(f"{NEWEST}.bad-{number}") for number in itertools.count(1))
    free = next(name for name in names if not name.exists())
    return path.rename(free)
