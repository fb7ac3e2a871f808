"""What a user can mend: the one exception, and the warning of what was passed over."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches
from os import PathLike
from typing import Self

MOST_CHOICES = 24  # named in one line


class InputError(ValueError):
    """Bad input from a user: a spec, an edit, a recipe, a data folder, a flag.

    The message is one line that names the place, the value, the rule and, where there is one,
    the nearest valid choice. The command line prints it and exits with code 2.
    """

    def within(self, place: str) -> Self:
        """Return the same error with the place it was found in put before it."""
        return type(self)(f"{place}: {self}")


class UnreadableError(InputError):
    """A file that cannot be read now, and may be later: nothing is said about what it holds."""


class NoChangeError(InputError):
    """An edit that changes none of the fields that it selects."""


class SkippedWarning(UserWarning):
    """A run's record could not be read and was left out; the message says why."""


def check_kind(place: str, value: object, kind: type, reader: str, example: str) -> None:
    """Refuse an argument of another kind than `reader` makes of a name, such as `example`."""
    if not isinstance(value, kind):
        name = str(value) if isinstance(value, str | PathLike) else example
        rule = f"must be a {kind.__name__}, such as {reader}({name!r})"
        raise InputError(f"{place} = {reprlib.repr(value)}: {rule}")


def check_name(place: str, value: object) -> None:
    """Refuse an argument that is neither a name nor a path."""
    if not isinstance(value, str | PathLike):
        raise InputError(f"{place} = {reprlib.repr(value)}: must be a name or a path")


def unknown(what: str, value: object, choices: Iterable[str]) -> InputError:
    """Return the error for a value outside a closed set, naming the nearest choice and all.

    Of a long list it names the nearest few.
    """
    names = list(choices)
    near = get_close_matches(str(value), names, n=MOST_CHOICES, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    if len(names) <= MOST_CHOICES:
        return InputError(f"unknown {what} '{value}'{hint} (choices: {', '.join(names)})")
    nearest = f"the nearest: {', '.join(near[:5])}, of" if near else "none is near it, of"
    return InputError(f"unknown {what} '{value}'{hint} ({nearest} {len(names)})")
