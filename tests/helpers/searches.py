"""Searches on an engine that trains nothing."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from fuseablate.io.terminal import Screen
from fuseablate.report.screen.searched import print_searched
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.drive import Driver, new_board
from fuseablate.studies.outline import searched
from fuseablate.studies.plan import Plan, PlannedRun, make_plan
from fuseablate.studies.search.finalists import run_search
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import Trials, open_storage
from fuseablate.tracking import Tracker
from tests.helpers.instant_engine import Curve, InstantEngine, NoTracker, Quiet
from tests.helpers.study_file import HEAD, written

HEAD_3 = HEAD.replace("seeds", 'recipe = { base = "standard", epochs = 3 }\nseeds')
KERNELS = """
[[search.parameters]]
name = "kernel"
kind = "categorical"
each = "fuse"
choices = [3, 5, 7]
edit = "{row}.kernel={}"
"""


def kernels(spec: Spec) -> list[int]:
    return [int(cast(int, row.values()["kernel"])) for row in spec.rows if row.op == "fuse"]


def rising(spec: Spec, seed: int) -> list[float]:
    """The sum of the kernels decides (6 to 14), the seed adds a little; three epochs."""
    top1 = sum(kernels(spec)) / 20 + seed / 1000
    return [top1 / 3, top1 / 2, top1]


@dataclass
class Ended:
    plan: Plan
    store: Store
    engine: InstantEngine
    board: StudyStatus
    view: Quiet
    tracker: NoTracker
    trials: Trials
    runs: tuple[PlannedRun, ...]

    @property
    def params(self) -> list[dict[str, object]]:
        return [trial.params for trial in self.trials.all()]

    def printed(self) -> str:
        search = self.plan.study.search
        assert search
        out = Screen(file=io.StringIO(), width=140)
        print_searched(
            searched(search, self.trials, self.runs, len(self.plan.study.seeds.each)), out
        )
        assert isinstance(out.file, io.StringIO)
        return out.file.getvalue()


def study_plan(folder: Path, search: str, parameters: str = KERNELS, head: str = HEAD_3) -> Plan:
    body = f'design = "search"\n[search]\n{search}\n{parameters}'
    return make_plan(load_study(written(folder, body, head=head)), None)


def search(
    plan: Plan, folder: Path, curve: Curve = rising, stop_after: int | None = None, **engine: object
) -> Ended:
    """Run a search; `stop_after` runs it is killed."""
    fake = InstantEngine(curve, **engine)  # type: ignore[arg-type]
    store = Store(folder / "runs")
    where = plan.folder(store)
    where.mkdir(parents=True, exist_ok=True)
    board, view, tracker = new_board(plan, 1), Quiet(), NoTracker()
    driver = Driver(plan, store, fake, cast(Tracker, tracker), view, board, 1)
    if stop_after is not None:
        submit = fake.submit

        def killed(job: object) -> None:
            if len(fake.trained) == stop_after:
                raise KeyboardInterrupt
            submit(job)  # type: ignore[arg-type]

        fake.submit = killed  # type: ignore[method-assign]
    table = plan.study.search
    assert table
    trials, runs = run_search(driver, table, open_storage(None, where), where.name)
    return Ended(plan, store, fake, board, view, tracker, trials, runs)


BEST = "finalists = { best = 2, seeds = [9] }"
