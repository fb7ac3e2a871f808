"""How a search's trials end: pruned, diverged, lost; its finalists and what it says."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState
from rich.table import Table

from fuseablate.io.terminal import Screen
from fuseablate.report import analyse, of_records
from fuseablate.report.screen import print_report
from fuseablate.spec.spec import Spec
from fuseablate.studies.screens.live import status_table
from fuseablate.studies.search.pruning import Pruning
from tests.helpers.searches import (
    BEST,
    HEAD_3,
    KERNELS,
    WIDTH,
    kernels,
    rising,
    search,
    study_plan,
    trial_keys,
)


@pytest.mark.parametrize(
    "objectives", ['["accuracy"]', '["accuracy", "params"]', '["accuracy", "latency"]']
)
@pytest.mark.parametrize("prune", ["median", "hyperband"])
def test_hopeless_first_seeds_are_pruned(tmp_path: Path, prune: str, objectives: str) -> None:
    """The first nine trials are good; the others are as bad as can be from the first epoch on."""
    head = HEAD_3.replace("epochs = 3", "epochs = 9")
    finalists = "{ best = 1, seeds = [9] }" if "," not in objectives else "{ seeds = [9] }"
    table = f'sampler = "random"\nn_trials = 30\nprune = "{prune}"\nobjectives = {objectives}\n'
    plan = study_plan(tmp_path, f"{table}finalists = {finalists}", KERNELS + WIDTH, head)
    seen: dict[str, int] = {}

    def falling(spec: Spec, seed: int) -> list[float]:
        number = seen.setdefault(spec.digest((16, 16)), len(seen))
        return [(0.9 if number < 9 else 0.3 - number / 1000) + epoch / 100 for epoch in range(9)]

    ended = search(plan, tmp_path, curve=falling)
    states = [trial.state for trial in ended.trials.all()]
    assert TrialState.PRUNED not in states[:5]
    pruned = [trial for trial in ended.trials.all() if trial.state == TrialState.PRUNED]
    assert len(pruned) >= 5
    assert min(trial.number for trial in pruned) >= 5
    assert ended.status.count("pruned") == len(pruned) == len(ended.tracker.cut)
    for trial in pruned:
        assert trial.values is None
        assert 1 <= len(trial.user_attrs["curve"]) < 9
    # A pruned trial's other seed is not trained.
    assert len(trial_keys(ended)) == 2 * 30 - len(pruned)
    assert f"{len(pruned)} pruned" in ended.printed()
    assert not {f"trial {trial.number}" for trial in pruned} & {
        name for run in ended.runs for name in run.variant.names
    }
    again = search(plan, tmp_path, curve=falling)
    assert again.engine.trained == []
    assert again.status.count("pruned") == len(pruned)
    shown = [run.variant for run in again.status.lines if run.variant.startswith("trial")]
    assert list(dict.fromkeys(shown)) == [f"trial {number}" for number in range(30)]
    seeds = status_table(again.status).renderables[1]
    assert isinstance(seeds, Table)
    assert [column.header for column in seeds.columns] == ["Variant", "seed 0", "seed 1", "seed 9"]


def test_a_trial_that_ends_after_its_first_seed_makes_no_claim(tmp_path: Path) -> None:
    table = 'sampler = "grid"\nfirst_seed_only = true\nfinalists = { best = 1, seeds = [9] }'
    ended = search(study_plan(tmp_path, table), tmp_path)
    best = -1.0
    for trial in ended.trials.all():  # one slot: in their order
        top1 = (trial.params["kernel.2"] + trial.params["kernel.3"]) / 20
        if top1 > best:  # the mean of both seeds is 0.0005 above that of seed 0
            assert trial.user_attrs["val top-1"] == pytest.approx([top1, top1 + 0.001])
            best = top1 + 0.0005
        else:
            assert trial.values == pytest.approx([top1])
            assert "val top-1" not in trial.user_attrs
    partial = sum("val top-1" not in trial.user_attrs for trial in ended.trials.all())
    assert partial > 0
    assert f"{partial} ended after the first seed" in ended.printed()
    assert [kernels(run.variant.spec) for run in ended.runs] == [[3, 5], [7, 7]]


def test_runs_that_diverge_or_are_lost(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f'sampler = "grid"\n{BEST}')

    def diverging(spec: Spec, seed: int) -> Sequence[float | None]:
        return [0.1, None] if kernels(spec) == [7, 7] and seed == 1 else rising(spec, seed)

    ended = search(
        plan, tmp_path, curve=diverging,
        lose=lambda job: job.seed == 0 and kernels(Spec.from_dict(job.spec)) == [5, 5],
    )  # fmt: skip
    by_kernels = {
        (trial.params["kernel.2"], trial.params["kernel.3"]): trial for trial in ended.trials.all()
    }
    assert by_kernels[7, 7].state == TrialState.FAIL
    assert by_kernels[5, 5].state == TrialState.RUNNING
    assert ended.status.count("lost") == 1
    assert "1 failed, 1 not ended" in ended.printed()
    assert [7, 7] not in [kernels(run.variant.spec) for run in ended.runs]
    again = search(plan, tmp_path, curve=diverging)
    assert [(job.seed, kernels(Spec.from_dict(job.spec))) for job in again.engine.trained] == [
        (0, [5, 5])
    ]
    assert by_kernels[5, 5].number == next(
        trial.number for trial in again.trials.all() if trial.params == by_kernels[5, 5].params
    )


def test_a_run_that_tells_several_epochs_ends_by_any_of_them() -> None:
    """So does one that goes on from a checkpoint which no process had judged any more."""
    judged = []
    for curves in ([[0.1], [0.1, 0.9]], [[0.1, 0.9]]):
        pruning = Pruning("median", 3, "judge")
        for number in range(5):
            pruning.begin()
            pruning.end(number, [0.5, 0.6, 0.7], TrialState.COMPLETE)
        pruning.begin()
        judged.append(any(pruning.epoch(5, curve) for curve in curves))
    assert judged == [True, True]


def test_no_seed_of_a_trial_that_has_diverged_is_begun(tmp_path: Path) -> None:
    """Where both kernels are 7 a seed after the first diverges: the others cannot save it."""
    head = HEAD_3.replace("seeds = [0, 1]", "seeds = [0, 1, 2]")
    table = 'sampler = "grid"\nfirst_seed_only = true\nfinalists = { best = 1, seeds = [9] }'
    plan = study_plan(tmp_path, table, head=head)

    def diverges(at: int) -> Callable[[Spec, int], Sequence[float | None]]:
        return lambda spec, seed: (
            [None] if kernels(spec) == [7, 7] and seed == at else rising(spec, seed)
        )

    ended = search(plan, tmp_path / "one", diverges(1))
    spent = [
        job.seed for job in ended.engine.trained if kernels(Spec.from_dict(job.spec)) == [7, 7]
    ]
    assert spent == [0, 1]
    # Two at a time: the third is begun beside the second, and ends before it.
    both = search(plan, tmp_path / "two", diverges(2), slots=2)
    again = search(plan, tmp_path / "two", diverges(2))
    assert again.engine.trained == []
    assert again.status.count("failed") == both.status.count("failed") == 1
    assert len(again.status.lines) == len(both.status.lines)


def test_a_trial_that_has_ended_is_not_pruned_when_it_is_trained_again(tmp_path: Path) -> None:
    """The first trial is the worst: it had nobody to be compared with, and its record is lost."""
    table = 'sampler = "grid"\nn_trials = 8\nprune = "median"\n'
    plan = study_plan(tmp_path, f"{table}finalists = {{ best = 1, seeds = [9] }}")
    seen: dict[str, int] = {}

    def better(spec: Spec, seed: int) -> list[float]:
        number = seen.setdefault(spec.digest((16, 16)), len(seen))
        return [number / 10 + epoch / 100 for epoch in range(3)]

    ended = search(plan, tmp_path, better)
    assert {trial.state for trial in ended.trials.all()} == {TrialState.COMPLETE}
    (first,) = [run for run in ended.status.lines if (run.variant, run.seed) == ("trial 0", 0)]
    shutil.rmtree(ended.store.folder(first.digest))
    again = search(plan, tmp_path, better, slots=2)
    assert [job.key for job in again.engine.trained] == [first.digest]
    assert again.status.count("pruned") == 0


def test_test_scores_play_no_role_before_the_final_report(tmp_path: Path) -> None:
    """The test scores of the fake runs fall as the validation rises: 1 - top-1."""
    ended = search(study_plan(tmp_path, f'sampler = "grid"\n{BEST}'), tmp_path)
    tested = {job.seed: job.tested for job in ended.engine.trained}
    assert tested == {0: False, 1: False, 9: True}
    assert "Test" not in ended.printed()
    journal = (ended.plan.folder(ended.store) / "journal.log").read_text()
    assert "test" not in journal
    assert all("test" not in line for line in ended.view.said)
    out = Screen(file=io.StringIO(), width=140)
    records = [record for run in ended.runs if (record := ended.store.get(run.digest))]
    print_report(list(map(analyse, of_records(records))), out)
    assert isinstance(out.file, io.StringIO)
    assert "Test top-1" in out.file.getvalue()


def test_importance_names_the_parameter_that_decides(tmp_path: Path) -> None:
    table = f'sampler = "random"\nn_trials = 60\n{BEST}'

    def by_kernel_2(spec: Spec, seed: int) -> list[float]:
        return [kernels(spec)[0] / 10]

    head = HEAD_3.replace("seeds = [0, 1]", "seeds = [0]")
    ended = search(study_plan(tmp_path, table, KERNELS + WIDTH, head), tmp_path, by_kernel_2)
    line = next(line for line in ended.printed().splitlines() if "PED-ANOVA" in line)
    assert line.index("kernel.2") < line.index("kernel.3")
    shares = [float(part.split()[-1]) for part in line.split(":")[1].split(",")]
    assert shares[0] > 0.5
    assert sum(shares) == pytest.approx(1, abs=0.02)
