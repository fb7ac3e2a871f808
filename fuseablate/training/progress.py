"""What a run shows while it trains: bars on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from fuseablate.io.escaping import plain
from fuseablate.io.terminal import console, counted
from fuseablate.runs import Curves


class StoppedError(Exception):
    """Raised by a `Progress` that was told of an epoch: the run is to end there for now."""


class Progress(Protocol):
    """What the training loop tells; `begin` comes first, `end` last, also after an error."""

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        """Take note of a run of `epochs`, `done` of them before, of `images` images each."""

    def step(self, images: int, loss: float) -> None:
        """Take note of `images` more images trained on, and of the loss of the last step."""

    def epoch(self, curves: Curves) -> None:
        """Take note of an epoch trained and validated, the last one of `curves`."""

    def say(self, message: str) -> None:
        """Show a line: a warning, or how to go on."""

    def end(self) -> None:
        """Leave the terminal as it was."""


class SilentProgress:
    """Shows nothing: what is said is in the record as well, or comes with an error."""

    def begin(self, title: str, epochs: int, done: int, images: int) -> None: ...

    def step(self, images: int, loss: float) -> None: ...

    def epoch(self, curves: Curves) -> None: ...

    def say(self, message: str) -> None: ...

    def end(self) -> None: ...


class QuietProgress(SilentProgress):
    """Shows no progress; what must be said goes to the standard error."""

    def say(self, message: str) -> None:
        print(plain(message), file=sys.stderr, flush=True)


class LineProgress(SilentProgress):
    """One line an epoch on the standard output, each flushed."""

    def __init__(self) -> None:
        self._title = ""
        self._epochs = 0

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self._title, self._epochs = title, epochs
        start = f"going on after epoch {done} of {epochs}" if done else counted(epochs, "epoch")
        self.say(f"{title}: {start}, {images:,} images each")

    def epoch(self, curves: Curves) -> None:
        self.say(f"{self._title}: epoch {len(curves)}/{self._epochs}  {epoch_line(curves)}")

    def say(self, message: str) -> None:
        print(plain(message), flush=True)


class BarProgress:
    """Two bars on a terminal: the epoch with its loss and speed, the run with its accuracy.

    They fit into 80 columns, and each says how long is left.
    """

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
        )
        self._epoch = self._run = TaskID(0)
        self._epochs = 0

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self._epochs = epochs
        self.say(title)
        self._epoch = self._bars.add_task(self._heading(done), total=images, note="")
        self._run = self._bars.add_task(
            "whole run", total=epochs * images, completed=done * images, note=""
        )
        self._bars.start()

    def step(self, images: int, loss: float) -> None:
        self._bars.update(self._run, advance=images)
        self._bars.update(self._epoch, advance=images)
        speed = self._bars.tasks[self._epoch].speed or 0
        self._bars.update(self._epoch, note=f"loss {loss:.3f}  {speed:,.0f} images/s")

    def epoch(self, curves: Curves) -> None:
        part = "val" if curves.val_loss else "train"
        loss, top1 = (getattr(curves, f"{part}_{measure}")[-1] for measure in ("loss", "top1"))
        note = f"{part} loss {loss:.3f}  top-1 {top1:.2%}"
        self._bars.update(self._run, note=note)
        self._bars.reset(self._epoch, description=self._heading(len(curves)), note="")

    def say(self, message: str) -> None:
        self._bars.console.print(message, soft_wrap=True)

    def end(self) -> None:
        self._bars.stop()

    def _heading(self, done: int) -> str:
        return f"epoch {min(done + 1, self._epochs)}/{self._epochs}"


def epoch_line(curves: Curves) -> str:
    """Return the last epoch's numbers: losses, top-1 in percent, seconds, images/s."""
    last = {name: column[-1] for name, column in vars(curves).items() if column}
    val = f"val {last['val_loss']:.3f} {last['val_top1']:.2%}  " if curves.val_loss else ""
    return (
        f"lr {last['lr']:.3g}  "
        f"train {last['train_loss']:.3f} {last['train_top1']:.2%}  "
        f"{val}{last['seconds']:.1f} s  {last['images_per_second']:,.0f} images/s"
    )


def suited_progress() -> Progress:
    """Return bars where the standard output is a terminal, and plain lines elsewhere."""
    out = console()
    return BarProgress(out) if out.is_terminal else LineProgress()
