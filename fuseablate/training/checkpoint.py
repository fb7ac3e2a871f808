"""Checkpoints: all that the next epoch depends on, and nothing that cannot be trusted.

The newest is `checkpoint.pt`; the one of the epoch before is kept beside it, for the case that
the disk spoils the newest. A file that is certainly truncated, altered or another run's is renamed
to `checkpoint.pt.bad-N`, with a warning; one that cannot be read now ends the run, and stays.
"""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import torch

from fuseablate.io.tensors import SpoiltError, load_tensors
from fuseablate.runs import NEWEST, PREVIOUS, RunFolder

SAVED = (NEWEST, PREVIOUS)


def save(folder: RunFolder, digest: str, state: dict[str, Any]) -> None:
    """Write the state of the run `digest`; the checkpoint so far becomes the previous one."""
    content = io.BytesIO()
    torch.save({"run": digest, "state": state}, content)
    folder.write_checkpoint(content.getvalue())


def load(path: Path, digest: str) -> dict[str, Any]:
    """Return the state that `save` wrote for the run `digest`, its tensors on the CPU.

    Raise `SpoiltError` where the file certainly holds anything else, `MissingError` where there
    is none, and `InputError` where it cannot be read now.
    """
    checkpoint = load_tensors(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state"), dict):
        raise SpoiltError("it is not a run's checkpoint")
    if (run := checkpoint.get("run")) != digest:
        raise SpoiltError(f"it belongs to the run {str(run)[:16]}")
    state: dict[str, Any] = checkpoint["state"]
    return state


def set_aside(path: Path) -> Path:
    """Rename a checkpoint to the first free name of the form `checkpoint.pt.bad-N`."""
    names = (path.with_name(f"{NEWEST}.bad-{number}") for number in itertools.count(1))
    free = next(name for name in names if not name.exists())
    return path.rename(free)
