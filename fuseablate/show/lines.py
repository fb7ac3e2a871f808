"""The lines of a printed table: one row each, or repeats of a row folded into one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from fuseablate.layers import Cost
from fuseablate.ops import Row
from fuseablate.spec import InferredRow


@dataclass(frozen=True)
class TableLine:
    """Rows that stand in one line: from the input of the first to the output of the last."""

    rows: tuple[InferredRow, ...]

    @property
    def first(self) -> InferredRow:
        """The row that the line is named after."""
        return self.rows[0]

    @property
    def last(self) -> InferredRow:
        """The row whose output is the line's."""
        return self.rows[-1]

    @property
    def row(self) -> Row:
        """The cells, which all rows of the line share."""
        return self.first.row

    @property
    def label(self) -> str:
        """The first row's id and, where there are more rows, how many: `5/2 x3`."""
        return f"{self.row.id} x{len(self.rows)}" if len(self.rows) > 1 else self.row.id

    @property
    def cost(self) -> Cost:
        """The cost of all rows of the line."""
        return Cost.total(row.cost for row in self.rows)


def folded(rows: Sequence[InferredRow]) -> list[TableLine]:
    """Return the lines with repeats of a row, whose cells are all equal, in one line.

    Their shapes may differ: each takes what the one before puts out.
    """

    def key(traced: InferredRow) -> tuple[object, ...]:
        return traced.row.base, traced.row.op, tuple(traced.row.values().items())

    return [TableLine(tuple(group)) for _, group in groupby(rows, key)]


def unfolded(rows: Sequence[InferredRow]) -> list[TableLine]:
    """Return a line for each row."""
    return [TableLine((row,)) for row in rows]
