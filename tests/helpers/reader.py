"""A reader who does what a page says, in a folder that looks like a clone of the repository."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fuseablate.commands.program import main, parser
from tests.helpers.inline_workers import train_inline
from tests.helpers.pages import Block, Command, blocks, differs
from tests.helpers.paths import REPOSITORY
from tests.helpers.programs import Needs

CLONE = ("studies", "examples", "reports", "docs")
SMALLER = (  # of what is trained, in the default run of the tests
    (r"(?<![a-z_])epochs = \d+", "epochs = 1"),
    (r"(?<![a-z_])size = 64", "size = 32"),
    (r"train_images = \d+", "train_images = 8"),
    (r"test_images = \d+", "test_images = 4"),
    (r"seeds = \[0, 1, 2\]", "seeds = [0, 1]"),
    (r"seeds = \[10, 11, 12\]", "seeds = [10, 11]"),
    (r"n_trials = \d+", "n_trials = 4"),
)


@dataclass
class Reader:
    """Does blocks one after another; `small`: trains on less, for less time."""

    folder: Path
    needs: Needs
    small: bool = True
    files: dict[Path, str] = field(default_factory=dict)
    """Those that the page had it write."""
    variables: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})
    said: str = ""
    """What the last Python code printed."""
    problems: list[str] = field(default_factory=list)

    def read(self, page: Path) -> None:
        """Do all blocks of a page; an assertion has what was not as the page says."""
        for block in blocks(page):
            self.do(block)
        assert not self.problems, "\n\n".join(self.problems)

    def do(self, block: Block) -> None:
        if block.title:
            if block.mark != "no file":
                self.files[self.folder / block.title] = block.text
                self.write(block.text, self.folder / block.title)
        elif block.language == "python":
            program = compile(block.text, block.place, "exec")
            if block.mark != "not run":
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    exec(program, self.variables)
                self.said = out.getvalue()
        elif block.language == "text":
            self.compare(block, "the code above", block.text, self.said)
        if block.mark == "needs":
            self.needs(block.reason)
        for command in block.commands():
            if block.mark == "not run":
                parse(command.line, block.place)
                continue
            code, printed = self.type(command)
            if code:
                self.problems.append(f"{block.place}: {command.line}: ended with {code}\n{printed}")
            elif command.printed:
                self.compare(block, command.line, command.printed, printed)

    def compare(self, block: Block, source: str, expected: str, printed: str) -> None:
        wanted = differs(expected, printed, varies=block.mark == "output varies")
        if wanted:
            said = f"{block.place}: {source}: should print\n{wanted}\nin\n{printed}"
            self.problems.append(said)

    def write(self, text: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def type(self, command: Command) -> tuple[int, str]:
        """Return the exit code of a command, and what it printed."""
        line, _, target = command.line.partition(" > ")
        if self.small and line.startswith("fuseablate study run ") and "--dry-run" not in line:
            for path, text in self.files.items():
                self.write(smaller(text), path)
        words = shlex.split(line, comments=True)
        ours = words[0] == "fuseablate" and "|" not in words
        if ours and not self.has_plugin(words):
            code, printed = in_process(words[1:])
        else:
            inline = [sys.executable, "-m", "tests.helpers.inline_workers", *words[1:]]
            done = subprocess.run(
                inline if ours and self.small else ["bash", "-euo", "pipefail", "-c", line],
                cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                check=False,
            )  # fmt: skip
            code, printed = done.returncode, done.stdout
        for path, text in self.files.items():
            self.write(text, path)
        if target:
            self.write(printed, self.folder / target.split("#")[0].strip())
            printed = ""
        return code, printed

    def has_plugin(self, words: list[str]) -> bool:
        """Say whether a command loads a file of one's own, which stays for all of a process."""
        return "--plugin" in words or any(
            path.name in words and "plugins =" in text for path, text in self.files.items()
        )


def smaller(text: str) -> str:
    for pattern, less in SMALLER:
        text = re.sub(pattern, less, text)
    return text


def in_process(words: list[str]) -> tuple[int, str]:
    """Return what the program says to some words; training is told without its progress."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(words)
        except SystemExit as end:  # of --help
            code = int(end.code or 0)
    return code, out.getvalue()


def parse(line: str, place: str) -> None:
    """Fail where a command of ours has words that it does not know."""
    words = shlex.split(line.partition(" > ")[0], comments=True)
    if words[:1] != ["fuseablate"]:
        return
    if "--plugin" in words:  # the parser loads the file, which stays for all of this process
        at = words.index("--plugin")
        assert words[at + 1 : at + 2], f"{place}: {line}"
        del words[at : at + 2]
    out = io.StringIO()
    try:
        with contextlib.redirect_stderr(out):
            parser().parse_args(words[1:])
    except SystemExit:
        pytest.fail(f"{place}: {line}: {out.getvalue()}")


def reader(folder: Path, patch: pytest.MonkeyPatch, needs: Needs, *, small: bool = True) -> Reader:
    """Return a reader in a folder that holds what of a clone the pages name."""
    for name in CLONE:
        (folder / name).symlink_to(REPOSITORY / name)
    patch.chdir(folder)
    patch.setenv("COLUMNS", "100")
    patch.setenv("WANDB_MODE", "disabled")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)]))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if small:
        train_inline(patch)
    return Reader(folder, needs, small)
