"""`fuseablate completion`: what a shell needs to complete commands, flags and names."""

from __future__ import annotations

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "fish")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands, flags and names",
        description="Print what makes a shell complete commands, flags and names. For good, put "
        "the line below into ~/.bashrc or ~/.zshrc; fish reads the output by "
        "'fuseablate completion fish | source'.",
    )
    parser.add_argument("shell", choices=SHELLS, help=", ".join(SHELLS))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the code that the shell is to evaluate."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["fuseablate"], shell=args.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may come next, and end; it asks by its environment."""
    import argcomplete

    argcomplete.autocomplete(parser)


def complete_names(argument: argparse.Action, kind: str = "specs") -> None:
    """Have an argument completed by the names of what is shipped, `specs` or `studies`, and files.

    They are looked up when a shell asks.
    """

    def names(prefix: str, **_: object) -> list[str]:
        from argcomplete.completers import FilesCompleter

        from fuseablate.spec import shipped_specs
        from fuseablate.studies.study import shipped_studies

        shipped = shipped_specs() if kind == "specs" else shipped_studies()
        return [*shipped, *FilesCompleter(["toml"])(prefix)]

    argument.completer = names  # type: ignore[attr-defined] # argcomplete reads it there
