"""Checkpoints: all that the next epoch depends on, and nothing that cannot be trusted.

The newest is `checkpoint.pt`; the one of the epoch before is kept beside it, for the case that
the disk spoils the newest. A file that is certainly truncated, altered or another run's is renamed
to `checkpoint.pt.bad-N`, with a warning; one that cannot be read now ends the run, and stays.

Training goes on while a checkpoint is written, of the state as it was.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fuseablate.io.tensors import SpoiltError, load_tensors
from fuseablate.runs import NEWEST, PREVIOUS, RunFolder

SAVED = (NEWEST, PREVIOUS)


def save(folder: RunFolder, digest: str, state: dict[str, Any]) -> None:
    """Write the state of the run `digest`; the checkpoint so far becomes the previous one."""
    content = io.BytesIO()
    torch.save({"run": digest, "state": state}, content)
    folder.write_checkpoint(content.getvalue())


class Writer:
    """Writes checkpoints in a thread of its own, in the order in which they are given."""

    def __init__(self, device: torch.device) -> None:
        """Write states that lie on that device."""
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        is_gpu = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if is_gpu else None  # type: ignore[no-untyped-call]

    def save(self, folder: RunFolder, digest: str, state: dict[str, Any]) -> Future[None]:
        """Begin to save the state as it is now; on a GPU nothing is waited for.

        The future has the `InputError` of a folder that cannot be written.
        """
        copied = _mapped(state, lambda tensor: tensor.detach().clone())
        event = None
        if self._stream:
            event = torch.cuda.current_stream(self._stream.device).record_event()
        return self._thread.submit(self._write, folder, digest, copied, event)

    def _write(
        self, folder: RunFolder, digest: str, state: dict[str, Any], copied: torch.cuda.Event | None
    ) -> None:
        if self._stream and copied:
            # Beside the steps that the device has been given since. A thread begins on GPU 0, and
            # would open a context there as it leaves the stream of another.
            with torch.cuda.device(self._stream.device), torch.cuda.stream(self._stream):
                self._stream.wait_event(copied)
                state = _mapped(state, Tensor.cpu)
        save(folder, digest, state)

    def close(self) -> None:
        """Wait until all is written."""
        self._thread.shutdown()


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a state with its tensors changed, and tables and lists of its own."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(inner, change) for inner in value)
    return value


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
