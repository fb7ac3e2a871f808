"""Planned looks: who gets more seeds, whatever was interrupted, and what is said of it."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from optuna.trial import TrialState
from rich.console import Console

from fuseablate import stats
from fuseablate.commands.program import main
from fuseablate.report import analyse, of_study
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store
from fuseablate.seeds import Looks
from fuseablate.spec.spec import Spec
from fuseablate.studies.driver import Driver
from fuseablate.studies.fixed import run_design
from fuseablate.studies.looks import Undecided, runs_due
from fuseablate.studies.plan import Plan, make_plan
from fuseablate.studies.screens.live import runs_of, state_counts
from fuseablate.studies.screens.plan import print_plan
from fuseablate.studies.trials import Trials, open_storage, open_study
from tests.helpers.instant_engine import InstantEngine, Quiet, driver_of
from tests.helpers.study_file import HEAD, factor, loaded

LOOKS = "{ first = 2, step = 2, most = 5 }"
EDITS = {"k3": "3.kernel=3", "k7": "3.kernel=7", "wide": "2.exp=32"}
BODY = 'design = "one-factor"\n' + factor("f", *(f"{k}: {e}" for k, e in EDITS.items()))
# Points that a variant's test top-1 is above the baseline's; unclear below 10.
ABOVE = {"": 0, "3.kernel=3": 30, "3.kernel=7": 5, "2.exp=32": -20}
Calls = list[tuple[dict[str, int], str, Looks, float]]


def unclear(scores: Mapping[str, Mapping[int, float]], reference: str) -> set[str]:
    """Those whose mean is less than 10 points from the reference's."""
    means = {name: sum(by_seed.values()) / len(by_seed) for name, by_seed in scores.items()}
    return {name for name in means if abs(means[name] - means[reference]) < 10} - {reference}


@dataclass
class Judge:
    """Notes what it is asked, and answers by `unclear`."""

    calls: Calls

    def __call__(
        self,
        scores: Mapping[str, Mapping[int, float]],
        reference: str,
        looks: Looks,
        matters: float,
    ) -> set[str]:
        self.calls.append(
            ({name: len(by_seed) for name, by_seed in scores.items()}, reference, looks, matters)
        )
        return unclear(scores, reference)


def plan_of(folder: Path, body: str = BODY, seeds: str = LOOKS) -> Plan:
    head = HEAD.replace("[0, 1]", seeds) + "matters = 2\n"
    return make_plan(loaded(folder, body, head), None)


Curve = Callable[[Spec, int], Sequence[float | None]]


def level(spec: Spec, seed: int) -> list[float | None]:
    """A validation curve whose end is one minus the test top-1."""
    return [0.6 - ABOVE[spec.label] / 100 - seed / 1000]


@dataclass
class Looked:
    driver: Driver
    engine: InstantEngine
    calls: Calls

    @property
    def store(self) -> Store:
        return self.driver.store

    @property
    def plan(self) -> Plan:
        return self.driver.plan

    @property
    def status(self) -> StudyStatus:
        return self.driver.status

    @property
    def said(self) -> list[str]:
        return cast(Quiet, self.driver.view).said

    @property
    def trials(self) -> Trials:
        folder = self.driver.folder
        return Trials(open_study(folder.name, open_storage(None, folder)))

    @property
    def trained(self) -> dict[str, list[int]]:
        """The seeds of each variant that the store has, by its edits."""
        by_variant: dict[str, list[int]] = {}
        for record in self.store.records():
            by_variant.setdefault(record.label, []).append(record.seed)
        return {label: sorted(seeds) for label, seeds in by_variant.items()}

    @property
    def manifest(self) -> Manifest:
        return Manifest.load(self.driver.folder)


def run(
    plan: Plan,
    root: Path,
    curve: Curve = level,
    stop_after: int | None = None,
    judge: Undecided | None = None,
    **engine: object,
) -> Looked:
    """Run a study; after `stop_after` runs it is killed."""
    fake = InstantEngine(curve, stop_after=stop_after, **engine)  # type: ignore[arg-type]
    driver = driver_of(plan, root, fake)
    calls: Calls = []
    try:
        run_design(driver, plan, open_storage(None, driver.folder), judge or Judge(calls))
    except KeyboardInterrupt:
        assert stop_after is not None
    return Looked(driver, fake, calls)


ALL = {"": [0, 1, 2, 3, 4], "3.kernel=3": [0, 1], "3.kernel=7": [0, 1, 2, 3, 4],
       "2.exp=32": [0, 1]}  # fmt: skip


def test_the_unclear_and_the_reference_get_more_until_the_most(tmp_path: Path) -> None:
    done = run(plan_of(tmp_path), tmp_path / "runs", slots=2)
    assert done.trained == ALL
    looks = Looks(2, 2, 5)
    two = {"baseline": 2, "f=k3": 2, "f=k7": 2, "f=wide": 2}
    four = two | {"baseline": 4, "f=k7": 4}
    assert [call for call in done.calls if call == (two, "baseline", looks, 2.0)]
    assert done.calls[-1] == (four, "baseline", looks, 2.0)
    assert not done.status.possible
    assert state_counts(done.status) == "14 done of 14 runs"
    assert [line for line in done.said if line.startswith("look")] == [
        "look at 2 seeds: 1 of 3 variants need more",
        "look at 4 seeds: 1 of 3 variants need more",
    ]


def test_it_ends_at_the_first_look_where_all_is_clear(tmp_path: Path) -> None:
    body = 'design = "one-factor"\n' + factor("f", "k3: 3.kernel=3", "wide: 2.exp=32")
    done = run(plan_of(tmp_path, body), tmp_path / "runs")
    assert done.trained == {"": [0, 1], "3.kernel=3": [0, 1], "2.exp=32": [0, 1]}
    assert state_counts(done.status) == "6 done of 6 runs"


@pytest.mark.parametrize("slots", [1, 3])
def test_killed_after_any_run_it_ends_the_same(tmp_path: Path, slots: int) -> None:
    plan = plan_of(tmp_path)
    whole = run(plan, tmp_path / "whole", slots=slots)
    for after in range(14):
        root = tmp_path / f"killed-{after}"
        first = run(plan, root, stop_after=after, slots=slots)
        again = run(plan, root, slots=slots)
        assert again.trained == ALL
        keys = [job.key for part in (first, again) for job in part.engine.trained]
        assert len(set(keys)) == 14
        assert again.manifest == whole.manifest
        values = {trial.user_attrs["variant"]: trial.value for trial in again.trials.all()}
        assert values == {part.user_attrs["variant"]: part.value for part in whole.trials.all()}


def test_the_status_and_the_manifest_say_how_far_it_is(tmp_path: Path) -> None:
    # After the first look, 8 of 8 runs: the second asks for 2 more of k7 and the baseline, and
    # one more of each may follow.
    stopped = run(plan_of(tmp_path), tmp_path / "runs", stop_after=9)
    assert runs_of(len(stopped.status.lines), stopped.status.possible) == "12 (up to 14)"
    assert [len(variant.runs) for variant in stopped.manifest.variants] == [4, 2, 4, 2]
    assert stopped.manifest.seeds == stopped.plan.study.seeds
    assert of_study(stopped.manifest, stopped.store.get).looks == Looks(2, 2, 5)
    early = run(plan_of(tmp_path), tmp_path / "other", stop_after=3)
    assert runs_of(len(early.status.lines), early.status.possible) == "8 (up to 20)"
    early.status.workers = 2
    line = early.status.lines[0]
    line.seconds, line.epochs, line.epoch = 10.0, 1, 1
    for other in early.status.lines[1:]:
        other.seconds, other.epochs, other.epoch, other.state = 0.0, 1, 0, "waiting"
    # 7 to do of 10 s, and 12 more that may be: 19 of them on two workers.
    assert (
        state_counts(early.status)
        == "7 waiting, 1 done of 8 (up to 20) runs, 35s left (up to 1m35s)"
    )
    early.status.save(tmp_path)
    assert StudyStatus.load(tmp_path).possible == 12
    table = json.loads((tmp_path / "status.json").read_text())
    del table["possible"]
    (tmp_path / "status.json").write_text(json.dumps(table))
    assert StudyStatus.load(tmp_path).possible == 0  # of before


def test_a_variant_that_diverged_gets_no_more(tmp_path: Path) -> None:
    def curve(spec: Spec, seed: int) -> Sequence[float | None]:
        return [None] if (spec.label, seed) == ("3.kernel=7", 1) else level(spec, seed)

    done = run(plan_of(tmp_path), tmp_path / "runs", curve)
    assert done.trained == {label: [0, 1] for label in ALL}
    assert done.calls[-1][0] == {"baseline": 2, "f=k3": 2, "f=wide": 2}


def test_and_where_the_reference_has_no_variant_does(tmp_path: Path) -> None:
    def curve(spec: Spec, seed: int) -> Sequence[float | None]:
        return [None] if (spec.label, seed) == ("", 0) else level(spec, seed)

    done = run(plan_of(tmp_path), tmp_path / "runs", curve)
    assert done.trained == {label: [0, 1] for label in ALL}
    assert done.calls == []


def test_a_lost_run_holds_the_look_up_until_it_is_there(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    lost = plan.runs[-1].digest
    first = run(plan, tmp_path / "runs", lose=lambda job: job.key == lost)
    assert first.calls == []
    assert first.status.count("lost") == 1
    assert run(plan, tmp_path / "runs").trained == ALL


def test_one_trial_of_each_variant_is_filed_when_it_is_settled(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    stopped = run(plan, tmp_path / "runs", stop_after=9)
    states = {trial.user_attrs["variant"]: trial.state for trial in stopped.trials.all()}
    assert states == {
        "baseline": TrialState.RUNNING, "f=k3": TrialState.COMPLETE,
        "f=k7": TrialState.RUNNING, "f=wide": TrialState.COMPLETE,
    }  # fmt: skip
    done = run(plan, tmp_path / "runs")
    seeds = {trial.user_attrs["variant"]: trial.user_attrs["seeds"] for trial in done.trials.all()}
    assert seeds == {"baseline": "5 of 5", "f=k3": "2 of 2", "f=k7": "5 of 5", "f=wide": "2 of 2"}
    assert len(done.trials.study.trials) == 4


def test_those_at_equal_cost_are_looked_at_by_themselves(tmp_path: Path) -> None:
    body = 'design = "one-factor"\niso = "macs"\n' + factor("f", "wide: 2.exp=48")
    plan = plan_of(tmp_path, body)
    names = [variant.names[0] for variant in plan.design.variants]
    assert names == ["baseline", "f=wide", "f=wide (iso MACs)"]
    done = run(plan, tmp_path / "runs", lambda spec, seed: [0.5 - seed / 1000])
    asked_of = [sorted(call[0]) for call in done.calls[-2:]]
    assert asked_of == [["baseline", "f=wide"], ["baseline", "f=wide (iso MACs)"]]
    assert {len(seeds) for seeds in done.trained.values()} == {5}


def test_decisions_are_the_records_and_not_what_else_the_store_holds(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path), Store(tmp_path / "runs")
    run(plan_of(tmp_path, seeds="{ first = 5, step = 1, most = 6 }"), store.root)
    noted = Judge([])
    now = runs_due(plan, store.get, noted)
    assert noted.calls[0][0] == {"baseline": 2, "f=k3": 2, "f=k7": 2, "f=wide": 2}
    counts = Counter(run.variant.names[0] for run in now.runs)
    assert counts == {"baseline": 5, "f=k3": 2, "f=k7": 5, "f=wide": 2}
    assert (now.later, now.said) == ((), "look at 4 seeds: 1 of 3 variants need more")


def test_seeds_that_are_added_to_a_finished_study_are_another_trial(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")

    def filed(seeds: str) -> list[tuple[str, str, float]]:
        trials = run(plan_of(tmp_path, seeds=seeds), store.root).trials
        return [
            (trial.user_attrs["variant"], trial.user_attrs["seeds"], round(trial.values[0], 9))
            for trial in trials.study.trials
            if trial.user_attrs["variant"] == "baseline"
        ]

    # The mean validation top-1 of 0.6 and 0.599, and of 0.598 as well.
    two, three = ("baseline", "2 of 2", 0.5995), ("baseline", "3 of 3", 0.599)
    assert filed("[0, 1]") == [two]
    assert filed("[0, 1]") == [two]
    assert filed("[0, 1, 2]") == [two, three]
    assert filed("[0, 1, 2]") == [two, three]
    # As many, and others: of 0.599, 0.598 and 0.597.
    others = ("baseline", "3 of 3", 0.598)
    assert filed("[1, 2, 3]") == [two, three, others]
    assert filed("[1, 2, 3]") == [two, three, others]


def test_all_runs_are_reported_as_the_looks_were_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The runs alone do not tell that they were looked at on the way."""
    done = run(plan_of(tmp_path), tmp_path / "runs", judge=stats.undecided)
    main(["report", "mine", "--runs", str(done.store.root), "--format", "csv"])
    named = capsys.readouterr().out
    main(["report", "--runs", str(done.store.root), "--format", "csv"])
    assert capsys.readouterr().out == named
    main(["report", "--runs", str(done.store.root)])
    text = capsys.readouterr().out
    assert text.count("Planned looks at 2, 4 and 5 seeds") == 1


def test_a_dry_run_says_the_least_and_the_most(tmp_path: Path) -> None:
    plan, store = plan_of(tmp_path), Store(tmp_path / "runs")

    def said() -> str:
        out = Console(file=io.StringIO(), width=200)
        print_plan(plan, store, 2, out)
        assert isinstance(out.file, io.StringIO)
        return " ".join(out.file.getvalue().split())

    fresh = said()
    assert "8 to 20 runs of generated" in fresh
    assert "; 8 to 20 to do on 2 workers: unknown" in fresh
    assert fresh.count("0 of 2 to 5") == 4
    run(plan, store.root, stop_after=2)
    assert "; 6 to 18 to do on 2 workers" in said()


def test_the_engine_and_the_report_judge_alike(tmp_path: Path) -> None:
    """Whoever was trained no further has a verdict, and nobody else was left without more."""
    draw = random.Random(5)
    noise = {(edits, seed): draw.gauss(0, 2) for edits in ABOVE for seed in range(5)}

    def curve(spec: Spec, seed: int) -> list[float | None]:
        return [0.6 - (ABOVE[spec.label] + noise[spec.label, seed]) / 100]

    seeds = "{ first = 3, step = 1, most = 5 }"
    done = run(plan_of(tmp_path, seeds=seeds), tmp_path / "runs", curve, judge=stats.undecided)
    comparison = of_study(done.manifest, done.store.get)
    assert "Planned looks at 3, 4 and 5 seeds: a variant is trained on" in comparison.notes[0]
    judged = {}
    for row in analyse(comparison).sections[0].variants[1:]:
        judged[row.variant.changes] = (len(row.variant.finished), row.verdict)
    assert {label: seeds for label, (seeds, _) in judged.items()} == {
        label: len(seeds) for label, seeds in done.trained.items() if label
    }
    for seeds_of, verdict in judged.values():
        assert seeds_of == 5 or verdict not in ("unclear", "no claim")
    # 30 points of a spread of 2 are seen at once, and 5 are not.
    assert judged["3.kernel=3"] == (3, "better")
    assert judged["3.kernel=7"][0] > 3
