"""The command line.

Exit codes: 0 done, 1 a check failed or a run has no result, 2 bad input, 70 a fault of our own,
and 130, 143 or 129 interrupted by Ctrl-C, SIGTERM or SIGHUP.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

from fuseablate.commands.completion import complete
from fuseablate.commands.endings import end, prepare_streams, signals_heard
from fuseablate.commands.examples import EXAMPLES
from fuseablate.errors import SkippedWarning
from fuseablate.io.escaping import masked, plain
from fuseablate.plugins import load_plugin
from fuseablate.version import __version__

# How long a thread of torch's (GNU OpenMP) spins for the others before it sleeps. The default is
# a hundred times as long: with anything else running on the cores, two threads then spend nearly
# all of their time waiting (14 images/s in place of 1,000); on idle cores it is no slower.
SPIN_COUNT = "3000"
COMMANDS = (
    "quickstart", "list", "show", "cost", "diff", "explore", "profile", "train", "report", "export",
    "convert", "bench", "scores", "study", "runs", "new", "docs", "completion",
)  # fmt: skip


SUBCOMMANDS = argparse._SubParsersAction  # which argparse has no public name for


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line with the nearest choice; its help has an example."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if example := EXAMPLES.get(self.prog):
            self.epilog = f"example: {example}"

    def error(self, message: str) -> NoReturn:
        said = f"{masked(message)}{self._nearest(message)}"
        self.exit(2, plain(f"{self.prog}: error: {said} (see {self.prog} --help)") + "\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what a command does not know in its own name, not in that of the program."""
        words = sys.argv[1:] if args is None else list(args)
        if words and (commands := _inner(self)):
            self._check_first(words, commands)
        known, left = super().parse_known_args(words, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return known, left

    def _check_first(self, words: Sequence[str], commands: Any) -> None:
        """Refuse a flag of a command that stands before the command's name.

        argparse would leave it out and take its value for the name of a command.
        """
        flag = words[0].partition("=")[0]
        own = self._option_string_actions
        if not flag.startswith("-") or any(name.startswith(flag) for name in own):
            return
        takers = [leaf.prog for leaf in _leaves(commands) if flag in leaf._option_string_actions]
        if not takers:
            self.error(f"unrecognized arguments: {flag}")
        said = {*self.prog.split(), *words}
        named = [prog for prog in takers if said.issuperset(prog.split())]
        place = max(named, key=len, default=f"{self.prog} {commands.metavar}")
        self.error(f"{flag}: a flag stands behind its command, as in {place} ... {flag}")

    def _nearest(self, message: str) -> str:
        """Return a hint at what a mistyped command, choice or flag may have meant."""
        if choice := re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message):
            word, known = choice[1], re.findall(r"[^', ]+", choice[2])
        elif flag := re.search(r"unrecognized arguments:.*?(--?[\w-]+)", message):
            word, known = flag[1], re.findall(r"--[\w-]+", self.format_usage())
        else:
            return ""
        near = get_close_matches(word, known, n=1)
        return f"; did you mean '{near[0]}'?" if near else ""


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="fuseablate",
        description="Architecture exploration and ablation of small CNNs: "
        "a network is a table, an ablation is an edit of it.",
    )
    top.add_argument("--version", action="version", version=f"fuseablate {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"fuseablate.commands.{name}").add(commands)
    for command in _leaves(commands):
        command.add_argument(
            "--plugin",
            metavar="FILE.py",
            action=LoadPlugin,
            help="a file of one's own ops, activations, data sets and so on; may be given again",
        )
    return top


class LoadPlugin(argparse.Action):
    """Loads a plug-in as soon as it is read."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Load the file; an `InputError` is the program's."""
        load_plugin(str(values))


def _inner(parser: argparse.ArgumentParser) -> Any:
    """Return what holds the commands within a command; None where there are none."""
    return next((action for action in parser._actions if isinstance(action, SUBCOMMANDS)), None)


def _leaves(commands: Any) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of commands, or of the commands within them."""
    for parser in dict.fromkeys(commands.choices.values()):
        inner = _inner(parser)
        if inner is None:
            yield parser
        else:
            yield from _leaves(inner)


@contextmanager
def skipped_said() -> Iterator[None]:
    """Have the library's warnings of what it left out each be a line on the standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", SkippedWarning)
        show = warnings.showwarning

        def say(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, SkippedWarning):
                print(plain(f"warning: skipped: {message}"), file=sys.stderr)
            else:
                show(message, category, *where, **more)

        warnings.showwarning = say
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when torch is first imported
    if os.environ.get("COLUMNS") == "0":  # no width is known; rich would print nothing
        del os.environ["COLUMNS"]
    prepare_streams()
    try:
        with signals_heard(), skipped_said():
            try:
                top = parser()
                if "_ARGCOMPLETE" in os.environ:
                    complete(top)
                args = top.parse_args(arguments)
                if args.command is None:
                    top.print_help()
                    return 0
                return int(args.run(args))
            finally:
                sys.stdout.flush()
    except BaseException as error:
        return end(error)
