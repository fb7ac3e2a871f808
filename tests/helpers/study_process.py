"""Studies of tiny runs, run by the command in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from fuseablate.io.cores import usable_cores
from fuseablate.spec.spec import to_toml
from tests.helpers.processes import forked
from tests.helpers.small_run import CLASSES, small_spec

CORES = 2
LEVELS = {
    "se": ["2.se=false"],
    "kernel": ["2.kernel=5"],
    "nl": ["1.nl=relu"],
    "exp": ["2.exp=24"],
    "out": ["1.out=12"],
}


def write_study(
    folder: Path,
    *,
    levels: int = 1,
    seeds: Sequence[int] = (0, 1),
    epochs: int = 3,
    name: str = "tiny",
    train_images: int = 60,
    **recipe: object,
) -> Path:
    """Write a one-factor study of the baseline and so many of the levels; return its path."""
    (folder / "small.toml").write_text(to_toml(small_spec()))
    changes = {"epochs": epochs, "batch_size": 24, **recipe}
    lines = [
        'title = "Tiny"',
        'question = "Does it work?"',
        'spec = "small.toml"',
        f'data = {{ name = "generated", size = 16, classes = {CLASSES}, '
        f"train_images = {train_images}, test_images = 10 }}",
        f"seeds = {list(seeds)}",
        'design = "one-factor"',
        "[recipe]",
        'base = "quick"',
        *(f"{key} = {value}" for key, value in changes.items()),
    ]
    for factor, edits in list(LEVELS.items())[:levels]:
        texts = ", ".join(f'"{edit}"' for edit in edits)
        lines += ["[[factors]]", f'name = "{factor}"',
                  f'levels = [{{ name = "changed", edits = [{texts}] }}]']  # fmt: skip
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _command(arguments: Sequence[str], output: Path, module: str | None) -> None:
    if hasattr(os, "sched_setaffinity"):  # the same plan, and the same load, on all machines
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    # Tests started in a shell's background would else hand on that Ctrl-C is ignored there.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with output.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from fuseablate.commands import program
    from fuseablate.engines import process

    process.MODULE = module or process.MODULE
    code = program.main(list(arguments))
    sys.stdout.flush()
    os._exit(code)


def run_arguments(study: Path, runs: Path, workers: int) -> list[str]:
    """Return the arguments that run a study on the CPU, whatever else there is, without W&B."""
    flags = ["--runs", str(runs), "--workers", str(workers), "--wandb", "off"]
    return ["study", "run", str(study), *flags]


def start_study(
    study: Path, runs: Path, output: Path, module: str | None = None, workers: int = CORES
) -> BaseProcess:
    """Start a study on two cores at most, with so many workers, of one thread on each.

    A worker takes seconds to import torch: more than one is for what several of them may do.
    """
    return start(
        *run_arguments(study, runs, min(workers, usable_cores())), output=output, module=module
    )


def start(*arguments: object, output: Path, module: str | None = None) -> BaseProcess:
    """Start the command line in a process of its own; its prints are appended to `output`.

    `module` takes the place of the workers' own. Workers are real processes.
    """
    texts = [str(argument) for argument in arguments]
    return forked(_command, texts, output, module)


def exit_code(process: BaseProcess, seconds: float = 240) -> int | None:
    """Return the exit code of a process that is about to end, on a busy machine too.

    None where it has not ended in that time.
    """
    process.join(seconds)
    return process.exitcode
