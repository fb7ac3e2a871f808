"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fuseablate.cost import COSTS, SUMMARY, read_costs
from fuseablate.data import DATA_SETS, load_data
from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.spec import Size, Spec, load_spec, parse_size

if TYPE_CHECKING:
    from fuseablate.data.parts import Data
    from fuseablate.runs import Store

T = TypeVar("T")
LISTED_SEEDS, SEED_DIGITS = 10_000, 40


def argument(read: Callable[[str], T]) -> Callable[[str], T]:
    """Return `read` as argparse wants it: an `InputError` becomes the flag's own error."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def add_edits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="edits",
        metavar="EDIT",
        action="append",
        default=[],
        help="an edit ROWS.FIELD=VALUE, such as all.se=false; may be given again, "
        "and all are made at once",
    )


def add_input(parser: argparse.ArgumentParser, default: str = "the table's") -> None:
    parser.add_argument(
        "--input",
        type=argument(parse_size),
        metavar="N",
        help=f"input size, such as 32 or, height first, 224x160 (default: {default})",
    )


def add_columns(parser: argparse.ArgumentParser, default: tuple[str, ...] = SUMMARY) -> None:
    names = ", ".join(name for name in COSTS.shipped if not COSTS[name].measured)
    parser.add_argument(
        "--columns",
        type=argument(read_costs),
        default=default,
        metavar="NAMES",
        help=f"costs to show, separated by commas: {names}; cycles@FILE takes another machine, "
        f"training_memory@N another batch (default: {','.join(default)})",
    )


def edited_spec(name: str, edits: list[str], scaled_later: bool = False) -> Spec:
    """Return the spec of that name or path with the edits of `--set`; see `Spec.edit`."""
    spec = load_spec(name)
    try:
        parts = [part for edit in edits for part in edit.split() or [edit]]
        return spec.edit(*parts, scaled_later=scaled_later)
    except InputError as error:
        raise error.within(name) from None


def whole_number(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` up."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 18 or int(text) < least:
            raise InputError(f"'{text[:40]}' is not a whole number of at least {least}")
        return int(text)

    return argument(read)


def seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that `0,1,2` or `0-2` writes."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"'{text}' is not a list of seeds; write whole numbers, such as 0,1,2")
        if len(part) > SEED_DIGITS or int(last or first) - int(first) >= LISTED_SEEDS - len(
            numbers
        ):
            raise InputError(f"'{text[:40]}' is too much; at most {LISTED_SEEDS:,} seeds are read")
        numbers += range(int(first), int(last or first) + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise InputError(f"'{text}' names a seed twice, or none; write each once, such as 0,1,2")
    return tuple(numbers)


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--data",
        default=default,
        metavar="NAME",
        help=f"one of {', '.join(DATA_SETS.shipped)} (default: {default})",
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="where the data lie; CIFAR is downloaded there if it is missing (default: data)",
    )


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="the run store (default: $FUSEABLATE_RUNS, or else runs)",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="no progress; stdout has the report alone",
    )


def run_store(root: Path | None) -> Store:
    from fuseablate.runs import Store

    return Store(root) if root else Store.default()


def confirmed(question: str) -> bool:
    """Ask, and return whether the answer is yes; no answer is a no."""
    try:
        return input(plain(f"{question} [y/N] ")).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def loaded_data(args: argparse.Namespace, size: Size, val: int | None = None) -> Data:
    """Return the data of `--data`; images that have no size of their own get the network's."""
    needs_size = DATA_SETS.named(args.data).arguments["size"].default is None
    return load_data(args.data, args.data_root, val=val, size=size[0] if needs_size else None)


def match_classes(spec: Spec, data: Data) -> Spec:
    """Return `spec` with as many classes as the data have, and say so; an edit is not overruled."""
    spec.check_size(data.image_size)
    if spec.classes == data.classes:
        return spec
    if any(edit.startswith("classes=") for edit in spec.edits):
        raise InputError(
            f"edit 'classes={spec.classes}': {data.title} has {data.classes} classes; "
            f"use classes={data.classes}, or leave the edit out"
        )
    counted = f"{data.title} has {data.classes} classes, so the classifier has as many"
    print(plain(f"{spec.name}: {counted}"))
    return spec.with_classes(data.classes)
