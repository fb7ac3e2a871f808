"""Searches on an engine that trains nothing."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import optuna

from fuseablate.io.terminal import Screen
from fuseablate.report.screen.searched import print_searched
from fuseablate.runs.manifest import Searched
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.driver import Driver
from fuseablate.studies.execute import carry_out
from fuseablate.studies.manifest import Outcome
from fuseablate.studies.plan import Plan, PlannedRun, make_plan
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import Trials, open_storage
from tests.helpers.instant_engine import Curve, InstantEngine, NoTracker, Quiet, driver_of
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
    driver: Driver
    engine: InstantEngine
    outcome: Outcome

    @property
    def plan(self) -> Plan:
        return self.driver.plan

    @property
    def store(self) -> Store:
        return self.driver.store

    @property
    def status(self) -> StudyStatus:
        return self.driver.status

    @property
    def view(self) -> Quiet:
        return cast(Quiet, self.driver.view)

    @property
    def tracker(self) -> NoTracker:
        return cast(NoTracker, self.driver.tracker)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        return self.outcome.runs

    @property
    def trials(self) -> Trials:
        """Those of the search."""
        return self.trials_of("")

    def trials_of(self, suffix: str) -> Trials:
        folder = self.driver.folder
        storage = open_storage(None, folder)
        return Trials(optuna.load_study(study_name=folder.name + suffix, storage=storage))

    @property
    def params(self) -> list[dict[str, object]]:
        return [trial.params for trial in self.trials.all()]

    @property
    def searched(self) -> Searched:
        assert self.outcome.manifest.search
        return self.outcome.manifest.search

    def printed(self) -> str:
        out = Screen(file=io.StringIO(), width=140)
        print_searched(self.searched, out)
        assert isinstance(out.file, io.StringIO)
        return out.file.getvalue()


def study_plan(folder: Path, search: str, parameters: str = KERNELS, head: str = HEAD_3) -> Plan:
    body = f'design = "search"\n[search]\n{search}\n{parameters}'
    return make_plan(load_study(written(folder, body, head=head)), None)


def search(
    plan: Plan, folder: Path, curve: Curve = rising, stop_after: int | None = None, **engine: object
) -> Ended:
    """Run a search; after `stop_after` runs it is killed."""
    fake = InstantEngine(curve, stop_after=stop_after, **engine)  # type: ignore[arg-type]
    driver = driver_of(plan, folder / "runs", fake)
    outcome = carry_out(driver, open_storage(None, driver.folder))
    return Ended(driver, fake, outcome)


BEST = "finalists = { best = 2, seeds = [9] }"


WIDTH = """
[[search.parameters]]
name = "width"
kind = "int"
low = 8
high = 64
edit = "3.exp={}"
"""


def untied(spec: Spec, seed: int) -> list[float]:
    """No two networks score alike."""
    first, second = kernels(spec)
    exp = int(cast(int, spec.rows[2].values()["exp"]))
    top1 = first / 20 + second / 30 + exp / 1000 + seed / 10_000
    return [top1 / 3, top1 / 2, top1]


def trial_keys(ended: Ended) -> list[str]:
    """The runs of trials, in the order of training; the finalists' seed is 9."""
    return [job.key for job in ended.engine.trained if job.seed != 9]
