"""A study from its plan to its report in one call, and the results of one that was run before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fuseablate.engines import ENGINES, Asked
from fuseablate.errors import InputError, check_kind, check_name, unknown
from fuseablate.io.display import Displayed
from fuseablate.report import Report, ReportOptions, of_study
from fuseablate.report.differences import AnalysedVariant
from fuseablate.report.screen import print_report
from fuseablate.runs import (
    Manifest,
    Record,
    Store,
    StudyStatus,
    ZeroCostScores,
    select_runs,
)
from fuseablate.studies.design import Variant
from fuseablate.studies.driver import View
from fuseablate.studies.execute import execute
from fuseablate.studies.plan import Plan, PlannedRun, make_plan
from fuseablate.studies.screens.plan import print_plan
from fuseablate.studies.study import Study, load_study
from fuseablate.tracking import Mode

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class StudyPlan(Displayed, view="fuseablate.studies.running:print_study_plan"):
    """What a study would train: it shows itself as `study run --dry-run` does."""

    plan: Plan
    store: Store
    """Holds the runs that are done."""
    workers: int
    """How many train at once."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants with their specs and recipes, the reference first."""
        return self.plan.design.variants

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """The runs that are known beforehand: not a search's trials, nor later looks."""
        return self.plan.runs

    @property
    def undone(self) -> tuple[PlannedRun, ...]:
        """Those of them that the store does not hold."""
        return tuple(run for run in self.runs if run.record(self.store) is None)


@dataclass(frozen=True, kw_only=True)
class StudyResult(Displayed, view="fuseablate.studies.running:print_result"):
    """What a study came to: it shows itself as its report."""

    name: str
    folder: Path
    """Where all of the study lies that is not a run: its manifest, status and trials."""
    report: Report
    complete: bool
    """Whether all that is compared has a result, and no run, a search's trial either, was given
    up."""

    @property
    def records(self) -> tuple[Record, ...]:
        """A record for each run that is compared and has ended; of a search, its finalists'."""
        return tuple(run for analysed in self.report for _, run in analysed.comparison.runs)

    @property
    def best(self) -> AnalysedVariant | None:
        """The variant with the highest mean; its `verdict` says whether it is better."""
        return self.report.best

    @property
    def front(self) -> tuple[AnalysedVariant, ...]:
        """The variants that none beats in both score and cost."""
        return self.report.front

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values: the report's comparisons, variants and runs."""
        plain = {"name": self.name, "folder": str(self.folder), "complete": self.complete}
        return {**plain, **self.report.to_dict()}

    def to_pandas(self) -> DataFrame:
        """Return a data frame with a row for each variant; `report.runs_to_pandas`, for each run.

        Raise `InputError` where pandas is not installed.
        """
        return self.report.to_pandas()


def plan_study(
    study: Study | str | Path,
    *,
    store: Store | None = None,
    data_root: Path | str | None = None,
    workers: int | None = None,
) -> StudyPlan:
    """Return what `run_study` would train with these arguments; nothing is trained.

    Its time is that of so many `workers`, by default as many as this machine has room for. Raise
    `InputError` for bad input, as `run_study` does.
    """
    read = study if isinstance(study, Study) else load_study(study)
    kept = _kept(store)
    plan = make_plan(read, data_root)
    plan.check_teachers(kept)
    asked = Asked(workers=workers, threads=read.threads)
    count = workers or ENGINES.named("local").choose(asked).count
    return StudyPlan(plan=plan, store=kept, workers=count)


def run_study(
    study: Study | str | Path,
    *,
    store: Store | None = None,
    data_root: Path | str | None = None,
    engine: str = "local",
    workers: int | None = None,
    threads: int | None = None,
    gpus: Sequence[int] | None = None,
    per_gpu: int | None = None,
    stack: int | None = None,
    address: str | None = None,
    checkpoint_seconds: float | None = None,
    shared_runs: bool = False,
    retries: int = 2,
    storage: str | None = None,
    tracking: Mode = "off",
    options: ReportOptions | None = None,
    progress: View | Callable[[str], None] | None = None,
) -> StudyResult:
    """Train the runs of a study that the store does not hold yet, and return what came of all.

    `study` may be a name or a path, too. `store` is by default that of $FUSEABLATE_RUNS or the
    folder `runs`, `data_root` where the data lie. `engine` trains the runs: `local`, `ray` or a
    plug-in's. `workers` processes on the CPU, or `per_gpu` on each of the `gpus`; `threads` of a
    run on the CPU, which its result depends on, by default the study's; `stack` runs of a network
    are trained as one, by default as many as suit the devices. `address`, `checkpoint_seconds` and
    `shared_runs` are a cluster's. `retries` is how often in a row a run is tried again after a try
    without a new checkpoint. `storage` is the URL of an Optuna storage, by default a journal in
    the study's folder; `tracking` is W&B: online, offline or off. `options` are those of the
    report.

    Nothing is shown but by `progress`: `print`, or whatever takes the line that each run ends with,
    or an object with `say(line)` and `update(status)`. A run that was interrupted goes on from its
    last checkpoint; so does the study after Ctrl-C, by the same call. Workers are processes: a
    script calls this under `if __name__ == "__main__":`. Raise `InputError` for bad input, before
    anything is trained.
    """
    read = study if isinstance(study, Study) else load_study(study)
    row = ENGINES.named(engine)
    asked = Asked(
        workers=workers,
        gpus=None if gpus is None else tuple(gpus),
        per_gpu=per_gpu,
        threads=read.threads if threads is None else threads,
        address=address,
        checkpoint_seconds=checkpoint_seconds,
        stack=stack,
        shared_runs=shared_runs,
    )
    chosen = row.choose(asked)
    kept = _kept(store)
    plan = make_plan(read, data_root)
    result = execute(
        plan,
        kept,
        chosen,
        _view(progress),
        row.start,
        tracking=tracking,
        retries=retries,
        storage=storage,
    )
    report = Report.of([of_study(result.manifest, kept.get)], options)
    return StudyResult(
        name=read.name, folder=result.folder, report=report, complete=result.complete
    )


def load_result(
    name: str, store: Store | None = None, options: ReportOptions | None = None
) -> StudyResult:
    """Return the results of a study that a store holds, as far as it has come; nothing is trained.

    `name` is that of the study, or of its folder; of several studies of one name, the one changed
    last is meant. Raise `InputError` where the store has none of that name.
    """
    kept = _kept(store)
    check_name("study", name)
    folders = select_runs(kept, [str(name)]).studies
    if not folders:
        known = [folder.name for folder in select_runs(kept, []).studies]
        raise unknown("study", name, known).within(str(kept.root))
    folder = folders[0]
    manifest = Manifest.load(folder)
    comparison = of_study(manifest, kept.readable, ZeroCostScores.load(folder))
    try:
        lost = StudyStatus.load(folder).count("lost")
    except InputError:  # of a study that was moved here without it
        lost = 0
    return StudyResult(
        name=manifest.name,
        folder=folder,
        report=Report.of([comparison], options),
        complete=not lost and not any(variant.incomplete for variant in comparison.variants),
    )


def print_study_plan(planned: StudyPlan, out: Console) -> None:
    """Print the plan with the time that its workers need."""
    print_plan(planned.plan, planned.store, planned.workers, out)


def print_result(result: StudyResult, out: Console) -> None:
    """Print the report, and where the rest of the study lies."""
    print_report(result.report, out)
    out.print(f"Folder: {result.folder}", style="dim")


def _kept(store: Store | None) -> Store:
    kept = Store.default() if store is None else store
    check_kind("store", kept, Store, "Store", "runs")
    return kept


class _Said:
    """A view that passes the lines on, and shows nothing else."""

    def __init__(self, say: Callable[[str], None] = lambda text: None) -> None:
        self.say = say

    def update(self, status: StudyStatus) -> None: ...


def _view(progress: View | Callable[[str], None] | None) -> View:
    if progress is None:
        return _Said()
    return _Said(progress) if callable(progress) else progress
