"""Results of runs that were trained elsewhere: a table with a line for each run. Without torch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from fuseablate.cost import COSTS, cost_kind
from fuseablate.errors import InputError, unknown
from fuseablate.io.reading import MIB, read_bytes
from fuseablate.report.comparison import ComparedVariant, Comparison
from fuseablate.runs import BASELINE

REQUIRED = ("variant", "seed", "score")
OWN = ("params", "macs", "latency")  # costs that a variant has fields for
Line = tuple[str, Mapping[str, Any]]  # where it stands, and its values by column


@dataclass
class _Given:
    """What the lines of one variant say."""

    scores: dict[int, float | None] = field(default_factory=dict)
    """By seed; None of a run without a result."""
    costs: dict[str, float] = field(default_factory=dict)


def read_csv(path: Path) -> list[Line]:
    """Return the lines of a CSV file; an `InputError` names the file, the line and the column."""
    content = read_bytes(path, 64 * MIB)
    try:
        text = content.decode("utf-8-sig")  # spreadsheets begin with such a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: is not UTF-8; save it as CSV UTF-8") from None
    # Strict, so that a quotation mark without its end does not take in all that follows.
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[Line] = []
    heads: list[str] = []
    try:
        for row in rows:
            place = f"{path}, line {rows.line_num}"
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not heads:
                heads = cells
                _check_heads(heads, place)
            elif len(cells) != len(heads):
                raise InputError(f"{place}: has {len(cells)} values, and the header {len(heads)}")
            else:
                lines.append((place, dict(zip(heads, cells, strict=True))))
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: {error}") from None
    if not lines:
        raise InputError(f"{path}: holds no result; it needs a header and a line for each run")
    return lines


def _check_heads(heads: list[str], place: str) -> None:
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(heads) == 1 and mark in heads[0]:
            raise InputError(f"{place}: columns are separated by {name}; use commas")
    for head in heads:
        if heads.count(head) > 1:
            raise InputError(f"{place}: names the column '{head}' twice")
    try:
        _check_columns(heads)
    except InputError as error:
        raise error.within(place) from None


def _check_columns(names: Iterable[str]) -> None:
    columns = list(names)
    for name in columns:
        if name not in REQUIRED and str(name).partition("@")[0] not in COSTS:
            raise unknown("column", name, (*REQUIRED, *COSTS))
        if name not in REQUIRED:
            cost_kind(name)
    if missing := [name for name in REQUIRED if name not in columns]:
        raise InputError(
            f"column '{missing[0]}' is missing; needed are {', '.join(REQUIRED)}, and any cost "
            "such as params or macs may stand beside them"
        )


def of_results(lines: Iterable[Line], source: str, reference: str | None = None) -> Comparison:
    """Return the comparison of the runs that stand in `lines`, in percent of score.

    `reference` is the name of the variant that the others are compared with: by default the one
    called `baseline`, or else the first. Raise `InputError` with the line and the column.
    """
    variants: dict[str, _Given] = {}
    for place, line in lines:
        _check_columns(line)
        name = _named(line["variant"], f"{place}, column variant")
        given = variants.setdefault(name, _Given())
        seed = _seed(line["seed"], f"{place}, column seed")
        if seed in given.scores:
            raise InputError(f"{place}, column seed: {name} has seed {seed} twice")
        given.scores[seed] = _score(line["score"], f"{place}, column score")
        for column in [name for name in line if name not in REQUIRED]:
            where = f"{place}, column {column}"
            cost = _number(line[column], where)
            if cost is None:
                continue
            if cost < 0:
                raise InputError(f"{where}: {cost:g}: must not be negative")
            if given.costs.setdefault(column, cost) != cost:
                raise InputError(
                    f"{where}: {cost:,g}: {name} has {given.costs[column]:,g} above; a cost is the "
                    "variant's, the same for all of its seeds"
                )
    if not variants:
        raise InputError(f"{source}: holds no result")
    scores = [score for given in variants.values() for score in given.scores.values() if score]
    if scores and max(scores) <= 1:
        raise InputError(
            f"{source}, column score: no value is above 1; scores are in percent, 71.3 and not "
            "0.713"
        )
    first = _reference(variants, reference)
    ordered = [first, *(name for name in variants if name != first)]
    return Comparison(
        variants=tuple(_variant(name, variants[name]) for name in ordered),
        spec="",
        data=f"results of {Path(source).name}",
        recipe="",
        name=Path(source).stem,
        title=Path(source).stem,
        notes=("These runs were trained elsewhere; nothing here says on what data, or how.",),
    )


def _reference(variants: Mapping[str, _Given], asked: str | None) -> str:
    if asked is None:
        return BASELINE if BASELINE in variants else next(iter(variants))
    if asked not in variants:
        raise unknown("variant", asked, variants).within("reference")
    return asked


def _variant(name: str, given: _Given) -> ComparedVariant:
    return ComparedVariant(
        key=name,
        name=name,
        changes="",
        levels=(),
        params=_whole(given.costs.get("params")),
        macs=_whole(given.costs.get("macs")),
        latency=given.costs.get("latency"),
        seeds=tuple(sorted(given.scores)),
        runs=(),
        given={seed: score for seed, score in sorted(given.scores.items()) if score is not None},
        costs={cost: value for cost, value in given.costs.items() if cost not in OWN},
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _named(value: object, place: str) -> str:
    is_nan = isinstance(value, float) and math.isnan(value)
    name = "" if value is None or is_nan else str(value).strip()
    if not name:
        raise InputError(f"{place}: is empty; a name tells the variant's runs from the others'")
    return name


def _seed(value: object, place: str) -> int:
    number = _number(value, place)
    if number is None or number < 0 or number != int(number):
        shown = "is empty" if number is None else f"{number:g}"
        raise InputError(f"{place}: {shown}: must be a whole number from 0 on")
    try:  # as it is written: a float holds no more than 53 bits of it
        return int(value)  # type: ignore[call-overload, no-any-return]
    except ValueError:  # such as "3.0"
        return int(number)


def _score(value: object, place: str) -> float | None:
    score = _number(value, place)
    if score is not None and not 0 <= score <= 100:
        raise InputError(f"{place}: {score:g}: must be from 0 to 100; scores are in percent")
    return score


def _number(value: object, place: str) -> float | None:
    """Return a number, None where there is none: an empty cell, or NaN."""
    if value is None or value == "":
        return None
    if not isinstance(value, bool) and isinstance(value, str | Real):
        try:
            number = float(value)
        except ValueError:
            number = math.inf
        if math.isnan(number):
            return None
        if math.isfinite(number):
            return number
    raise InputError(f"{place}: '{value}' is not a number")


def lines_of(rows: Iterable[Any]) -> Iterator[Line]:
    """Yield mappings as lines, by their places from 0 on."""
    for number, row in enumerate(rows):
        place = f"row {number}"
        if not isinstance(row, Mapping):
            raise InputError(f"{place}: is no record and no mapping of columns to values")
        try:
            _check_columns(row)
        except InputError as error:
            raise error.within(place) from None
        yield place, row
