"""The report as users of the library have it: it shows itself, and turns into tables and files."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from fuseablate.errors import InputError
from fuseablate.io.display import Displayed
from fuseablate.io.terminal import Screen
from fuseablate.report.analysis import AnalysedComparison, analyse, front_of
from fuseablate.report.collect import of_records
from fuseablate.report.columns import run_table
from fuseablate.report.comparison import Comparison
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.files import WRITERS
from fuseablate.report.files.data import comparison_dict, variant_lines
from fuseablate.report.given import lines_of, of_results, read_csv
from fuseablate.report.options import ReportOptions
from fuseablate.report.screen import print_report
from fuseablate.runs import Record, check_output, write_output

if TYPE_CHECKING:
    from pandas import DataFrame

FILE_WIDTH = 132  # columns of a terminal's report in a file
PICTURES = (".png", ".svg", ".pdf")
ENDINGS = {
    ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html",
    ".txt": "table",
}  # fmt: skip


@dataclass(frozen=True)
class Report(Displayed, Sequence[AnalysedComparison], view="fuseablate.report.screen:print_report"):
    """Comparisons, analysed: a sequence of them, mostly of one.

    It shows itself where it is printed, and as HTML in a notebook.
    """

    comparisons: tuple[AnalysedComparison, ...]

    @classmethod
    def of(cls, comparisons: Iterable[Comparison], options: ReportOptions | None = None) -> Report:
        """Return the report of comparisons under some options."""
        return cls(tuple(analyse(comparison, options) for comparison in comparisons))

    @overload
    def __getitem__(self, at: int) -> AnalysedComparison: ...
    @overload
    def __getitem__(self, at: slice) -> Report: ...
    def __getitem__(self, at: int | slice) -> AnalysedComparison | Report:
        """Return a comparison, or the report of several."""
        return Report(self.comparisons[at]) if isinstance(at, slice) else self.comparisons[at]

    def __len__(self) -> int:
        return len(self.comparisons)

    @property
    def variants(self) -> tuple[AnalysedVariant, ...]:
        """All variants that are shown, table by table, in each the reference first.

        Each has `scores` (percent, by seed), `mean`, `sd`, `delta` (the difference to the
        reference, with `low` and `high`), `verdict` and `holds`, what the verdict rests on; its
        `variant` has names, edits, costs and runs.
        """
        return tuple(row for report in self for section in report.sections for row in section.rows)

    @property
    def conclusion(self) -> str:
        """In a few sentences, what the data support; empty where nothing is compared."""
        sections = (section for report in self for section in report.sections)
        return " ".join(section.conclusion for section in sections if section.conclusion)

    @property
    def best(self) -> AnalysedVariant | None:
        """The variant with the highest mean, of those of which no run diverged; None without any.

        The highest of several means is optimistic: its `verdict` says whether it is better.
        """
        rows = [row for row in self.variants if row.mean is not None and not row.variant.diverged]
        return max(rows, key=lambda row: row.mean or 0.0, default=None)

    @property
    def front(self) -> tuple[AnalysedVariant, ...]:
        """The variants that none of their comparison beats in both score and cost.

        The cost is that of the options, MACs unless another was asked for.
        """
        on_front: list[AnalysedVariant] = []
        for report in self:
            keys = front_of(report.plotted, report.cost)
            on_front += (row for row in report.plotted if row.variant.key in keys)
        return tuple(on_front)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, as `report --format json` writes it."""
        return {"comparisons": [comparison_dict(report) for report in self]}

    def to_pandas(self) -> DataFrame:
        """Return a data frame with a row for each variant, as `report --format csv` has it.

        Raise `InputError` where pandas is not installed.
        """
        return _frame(variant_lines(self))

    def runs_to_pandas(self) -> DataFrame:
        """Return a data frame with a row for each run that has ended.

        Raise `InputError` where pandas is not installed.
        """
        tables = [run_table(report.comparison) for report in self]
        return _frame(
            [dict(zip(names, row, strict=True)) for names, rows in tables for row in rows]
        )

    def text(self, form: str = "table") -> str:
        """Return the report as text: `table`, `markdown`, `latex`, `csv`, `json` or `html`."""
        if form != "table":
            if form not in WRITERS:
                raise InputError(f"form '{form}': must be one of table, {', '.join(WRITERS)}")
            return WRITERS[form](self)
        return "\n".join(map(str.rstrip, file_screen(self).export_text().split("\n")))

    def write(self, path: Path | str) -> None:
        """Write the report in the form that the path ends in.

        `.md`, `.tex`, `.csv`, `.json`, `.html` and `.txt` are the report; `.png`, `.svg` and
        `.pdf` its plot of score against cost. Raise `InputError` for another ending, and where
        nothing can be written there.
        """
        path = Path(path)
        check_output(path, "file", *ENDINGS, *PICTURES)
        if path.suffix in ENDINGS:
            write_output(path, "file", self.text(ENDINGS[path.suffix]))
            return
        from fuseablate.report.files.plot import draw_plot

        write_output(path, "file", draw_plot(self, path.suffix))


def file_screen(report: Report) -> Screen:
    """Return a terminal that shows the report, to be exported as text or as a picture."""
    screen = Screen(record=True, width=FILE_WIDTH, file=io.StringIO(), force_terminal=True)
    print_report(report, screen)
    return screen


def compare(
    results: Iterable[Record] | Iterable[Mapping[str, Any]] | DataFrame | Path | str,
    *,
    reference: str | None = None,
    options: ReportOptions | None = None,
) -> Report:
    """Compare runs: each variant with the reference, by the statistics of all reports.

    `results` are records of runs, of which those of other data or another recipe are a comparison
    of their own; or results of runs that were trained elsewhere: the path of a CSV file, a pandas
    data frame, or a mapping for each run. Those have the columns `variant`, `seed` and `score` (in
    percent, higher is better; empty where a run has no result), and any costs, such as `params`
    and `macs`, which are the same for all runs of a variant.

    `reference` is the variant of theirs that the others are compared with: by default the one
    called `baseline`, or else the first. Of records it is the network without edits, or else the
    one trained first. Raise `InputError` that names the line and the column of what is wrong, and
    where there is nothing to compare.
    """
    if isinstance(results, str | Path):
        path = Path(results)
        return Report.of([of_results(read_csv(path), str(path), reference)], options)
    rows = _rows(results)
    if not rows:
        raise InputError("there is no run to compare")
    if any(isinstance(row, Record) for row in rows):
        records = [row for row in rows if isinstance(row, Record)]
        if len(records) < len(rows):
            raise InputError("some of the results are records and some are not; compare each alone")
        if reference is not None:
            raise InputError("reference: is of results that were trained elsewhere; leave it out")
        return Report.of(of_records(records), options)
    return Report.of([of_results(lines_of(rows), "the table", reference)], options)


def _rows(results: Any) -> list[Any]:
    pandas = sys.modules.get("pandas")  # a data frame's own, and else not needed
    if pandas and isinstance(results, pandas.DataFrame):
        plain = results.astype(object)
        return list(plain.where(results.notna(), None).to_dict("records"))
    if not isinstance(results, Iterable):
        raise InputError(f"results = {results!r}: must be records, rows or the path of a CSV file")
    return list(results)


def _frame(rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    try:
        import pandas as pd
    except ImportError:
        raise InputError(
            "a data frame needs pandas: pip install 'fuseablate[pandas]'; to_dict() needs none"
        ) from None
    return pd.DataFrame(list(rows))
