"""The search, on an engine that trains nothing: what it samples, counts, saves and judges."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import cast

import pytest
from optuna.trial import TrialState

from fuseablate.cost.costs import measure, spec_costs
from fuseablate.engines.workers import Workers
from fuseablate.errors import InputError
from fuseablate.io.terminal import Screen, duration
from fuseablate.report import analyse, of_records
from fuseablate.report.screen import print_report
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import RECORD, Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.execute import carry_out
from fuseablate.studies.screens.search import print_search_plan
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, driver_of, write_record
from tests.helpers.searches import BEST, HEAD_3, KERNELS, Ended, kernels, rising, search, study_plan

WIDTH = """
[[search.parameters]]
name = "width"
kind = "int"
low = 8
high = 64
edit = "3.exp={}"
"""


def trial_keys(ended: Ended) -> list[str]:
    """The runs of trials, in the order of training; the finalists' seed is 9."""
    return [job.key for job in ended.engine.trained if job.seed != 9]


def untied(spec: Spec, seed: int) -> list[float]:
    """No two networks score alike."""
    first, second = kernels(spec)
    exp = int(cast(int, spec.rows[2].values()["exp"]))
    top1 = first / 20 + second / 30 + exp / 1000 + seed / 10_000
    return [top1 / 3, top1 / 2, top1]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "grid"])
def test_a_finite_space_is_tried_once_and_then_the_search_ends(
    tmp_path: Path, sampler: str
) -> None:
    ended = search(study_plan(tmp_path, f'sampler = "{sampler}"\nn_trials = 50\n{BEST}'), tmp_path)
    tried = [(params["kernel.2"], params["kernel.3"]) for params in ended.params]
    assert sorted(tried) == sorted(product((3, 5, 7), repeat=2))
    assert all(trial.state == TrialState.COMPLETE for trial in ended.trials.all())
    assert len(trial_keys(ended)) == len(set(trial_keys(ended))) == 9 * 2
    assert any("9 assignments is exhausted" in note for note in ended.status.notes)
    by_hand = {(a, b): (a + b) / 20 + 0.0005 for a, b in tried}  # type: ignore[operator]
    for trial, both in zip(ended.trials.all(), tried, strict=True):
        assert trial.values == pytest.approx([by_hand[both]])
    # 7 + 7, and 5 + 7 before 7 + 5 or the other way: the two best, with the baseline (3, 5)
    names = [kernels(run.variant.spec) for run in ended.runs]
    assert names[:2] == [[3, 5], [7, 7]]
    assert sorted(names[2]) == [5, 7]
    assert {run.seed for run in ended.runs} == {9}
    assert ended.status.count("done") == len(ended.status.lines) == 9 * 2 + 3


@pytest.mark.parametrize(("sampler", "most"), [("tpe", 2), ("nsga2", 2), ("random", 8)])
def test_a_sampler_that_learns_draws_no_more_trials_at_once_than_there_are_workers(
    tmp_path: Path, sampler: str, most: int
) -> None:
    """One worker, which stacks four runs and asks for the next four; two runs a trial."""
    table = f'sampler = "{sampler}"\nn_trials = 5\nfinalists = {{ best = 1, seeds = [9] }}'
    engine = InstantEngine(rising, slots=8)
    driver = driver_of(study_plan(tmp_path, table), tmp_path / "runs", engine)
    driver.workers = Workers(("cpu",), 1, 1, stack=4)
    carry_out(driver, open_storage(None, driver.folder))
    assert engine.most == most
    assert len(engine.trained) == 5 * 2 + 2


def test_the_total_counts_over_restarts_and_a_finished_search_trains_nothing(
    tmp_path: Path,
) -> None:
    few = study_plan(tmp_path, f"n_trials = 3\n{BEST}")
    first = search(few, tmp_path)
    assert (len(first.trials), len(trial_keys(first))) == (3, 6)
    again = search(few, tmp_path)
    assert again.engine.trained == []
    assert again.params == first.params
    assert len(again.status.lines) == 3 * 2 + 3
    assert again.status.ended
    # What the store holds is shown to the tracker again.
    assert sorted(again.tracker.ended) == sorted(first.tracker.ended)
    more = study_plan(tmp_path, f"n_trials = 5\n{BEST}")
    assert more.digest == few.digest
    third = search(more, tmp_path)
    assert (len(third.trials), len(trial_keys(third))) == (5, 4)


@pytest.mark.parametrize("table", [
    'sampler = "random"\nn_trials = 6', 'sampler = "tpe"\nn_trials = 14',
    'sampler = "nsga2"\nn_trials = 14', 'sampler = "grid"\nn_trials = 7',
    'sampler = "tpe"\nn_trials = 14\nprune = "median"\nfirst_seed_only = true',
])  # fmt: skip
def test_a_search_that_is_killed_goes_on_as_it_would_have(tmp_path: Path, table: str) -> None:
    (tmp_path / "whole").mkdir()
    parts = tmp_path / "parts"
    parts.mkdir()
    both = KERNELS + WIDTH.replace("high = 64", "high = 12")
    plan = study_plan(tmp_path, f"{table}\n{BEST}", both)
    whole = search(plan, tmp_path / "whole", untied)
    for stop in (3, 4, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            search(plan, parts, untied, stop_after=stop)
    ended = search(plan, parts, untied)
    assert ended.params == whole.params
    assert [trial.values for trial in ended.trials.all()] == [
        trial.values for trial in whole.trials.all()
    ]
    assert [run.digest for run in ended.runs] == [run.digest for run in whole.runs]
    for name in ("over budget", "repeated", "impossible"):
        counts = [sum(t.user_attrs.get(name, 0) for t in e.trials.all()) for e in (ended, whole)]
        assert counts[0] == counts[1]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_refused_samples_taught_is_known_after_a_kill(tmp_path: Path, sampler: str) -> None:
    table = f'sampler = "{sampler}"\nn_trials = 26\nbudget = {{ macs = "57k" }}\n{BEST}'
    head = HEAD_3.replace("seeds = [0, 1]", "seeds = [0]")
    plan = study_plan(tmp_path, table, KERNELS + WIDTH, head)
    whole = search(plan, tmp_path / "whole", untied)
    taught = [trial.system_attrs.get("taught") for trial in whole.trials.all()]
    assert any(taught[10:17]) == any(taught[17:]) == (sampler == "tpe")
    for stop in (13, 4):
        with pytest.raises(KeyboardInterrupt):
            search(plan, tmp_path / "parts", untied, stop_after=stop)
    ended = search(plan, tmp_path / "parts", untied)
    assert ended.params == whole.params
    assert [trial.system_attrs.get("taught") for trial in ended.trials.all()] == taught


def test_the_budget_is_checked_before_training(tmp_path: Path) -> None:
    """By hand: row 3's pair has 16 x (3 + 5 + 7) weights at most; the limit is the baseline."""
    plan = study_plan(
        tmp_path, f'sampler = "random"\nn_trials = 20\nbudget = {{ macs = "baseline" }}\n{BEST}'
    )
    ended = search(plan, tmp_path)
    base = measure(plan.design.reference.spec, (16, 16)).macs
    costs = {
        job.key: measure(Spec.from_dict(job.spec), (16, 16)).macs for job in ended.engine.trained
    }
    assert max(costs.values()) <= base
    # Each kernel costs by its size times the maps' area, the same for rows 2 and 3: those that
    # are affordable have a sum of at most the baseline's 3 + 5.
    tried = sorted((params["kernel.2"], params["kernel.3"]) for params in ended.params)
    assert tried == [(3, 3), (3, 5), (5, 3)]
    refused = sum(trial.user_attrs.get("over budget", 0) for trial in ended.trials.all())
    assert refused > 0
    assert f"{refused} over budget" in ended.printed()
    # The baseline is a finalist too, and trained once.
    assert [run.variant.names[0] for run in ended.runs].count("baseline") == 1
    assert len({run.digest for run in ended.runs}) == len(ended.runs)


def test_nothing_affordable_is_an_error_that_says_what_the_space_holds(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f'n_trials = 5\nbudget = {{ macs = "1k" }}\n{BEST}')
    said = r"^the space of 9 assignments is exhausted: .*"
    with pytest.raises(InputError, match=said + r" from .*k to .*k MACs \(budget: 1\.00k\)"):
        search(plan, tmp_path)
    grid = study_plan(tmp_path, f'sampler = "grid"\nbudget = {{ params = 100 }}\n{BEST}')
    with pytest.raises(InputError, match=r"9 assignments is exhausted.* params"):
        search(grid, tmp_path)


def test_a_space_that_cannot_be_listed_ends_after_so_many_draws(tmp_path: Path) -> None:
    wide = KERNELS + WIDTH.replace('kind = "int"', 'kind = "float"').replace("exp={}", "exp=x{}")
    wide = wide.replace("low = 8", "low = 0.5").replace("high = 64", "high = 2.0")
    plan = study_plan(tmp_path, f'n_trials = 5\nbudget = {{ macs = "1k" }}\n{BEST}', wide)
    said = r"none of 10,050 samples in a row could be trained \(10,050 over budget\), 10,000 of "
    with pytest.raises(InputError, match=said + r".* to .*k MACs \(budget: 1\.00k\)"):
        search(plan, tmp_path)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_rare_affordable_part_of_a_finite_space_is_found_whole(
    tmp_path: Path, sampler: str
) -> None:
    """Of 9 x 57 assignments a few are affordable: small kernels with widths up to 13."""
    base = study_plan(tmp_path, f"n_trials = 1\n{BEST}").design.reference.spec

    def macs(first: int, second: int, width: int) -> int:
        edits = [f"2.kernel={first}", f"3.kernel={second}", f"3.exp={width}"]
        return measure(base.edit_sampled(edits), (16, 16)).macs

    most = macs(3, 3, 13)
    plan = study_plan(
        tmp_path,
        f'sampler = "{sampler}"\nn_trials = 40\nbudget = {{ macs = {most} }}\n{BEST}',
        KERNELS + WIDTH,
    )
    ended = search(plan, tmp_path, untied)
    every = product((3, 5, 7), (3, 5, 7), range(8, 65))
    tried = [(params["kernel.2"], params["kernel.3"], params["width"]) for params in ended.params]
    assert sorted(tried) == [params for params in every if macs(*params) <= most]
    assert any("513 assignments is exhausted" in note for note in ended.status.notes)


def test_refused_samples_teach_tpe_and_leave_no_trial(tmp_path: Path) -> None:
    """Where the budget allows widths up to 13 of 8 to 1000, few samples are lost to learn it."""
    base = study_plan(tmp_path, f"n_trials = 1\n{BEST}").design.reference.spec
    most = measure(base.edit("fuse.kernel=7", "3.exp=200"), (16, 16)).macs
    wide = KERNELS + WIDTH.replace("64", "1000")
    table = f'sampler = "tpe"\nn_trials = 40\nbudget = {{ macs = {most} }}\n{BEST}'
    ended = search(study_plan(tmp_path, table, wide), tmp_path, untied)
    trials = ended.trials.all()
    assert len(trials) == len(ended.trials.study.trials) == 40
    assert all("constraints:refused" not in trial.system_attrs for trial in trials)
    over = [trial.user_attrs.get("over budget", 0) for trial in trials]
    taught = [len(trial.system_attrs.get("taught", ())) for trial in trials]
    assert taught[:10] == [0] * 10  # TPE draws its first ten at random
    assert taught[10:] == over[10:]
    # A fifth of the space is affordable: four of five random draws are lost.
    assert sum(over[:10]) > 2 * 10
    assert sum(over[10:]) < 2 * 30


def test_assignments_of_one_network_are_one_trial(tmp_path: Path) -> None:
    """A squeeze ratio means nothing where another parameter has put SE off."""
    both = """
[[search.parameters]]
name = "se"
kind = "categorical"
choices = { on = [], off = ["2.se=false"] }
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = { a = [], b = ["3.kernel=7"], c = ["3.kernel=7", "2.kernel=3"] }
"""
    ended = search(study_plan(tmp_path, f'sampler = "grid"\n{BEST}', both), tmp_path)
    assert len(ended.trials) == 4  # b and c are one network
    assert sum(trial.user_attrs.get("repeated", 0) for trial in ended.trials.all()) in (0, 1, 2)
    assert len({trial.user_attrs["network"] for trial in ended.trials.all()}) == 4


def test_all_slots_are_used_and_no_trial_is_doubled(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f"n_trials = 9\n{BEST}")
    ended = search(plan, tmp_path, slots=4)
    assert ended.engine.most == 4
    assert len(trial_keys(ended)) == len(set(trial_keys(ended))) == 18
    assert sorted(trial.number for trial in ended.trials.all()) == list(range(9))


@pytest.mark.parametrize("cost", ["macs", "cycles@systolic64"])
def test_several_objectives_have_their_front_as_finalists(tmp_path: Path, cost: str) -> None:
    table = f'sampler = "nsga2"\nn_trials = 9\nobjectives = ["accuracy", "{cost}"]\n'
    plan = study_plan(tmp_path, f"{table}finalists = {{ seeds = [9] }}")

    def odd(spec: Spec, seed: int) -> list[float]:
        """Only (7, 7) earns what it costs, and (3, 3) costs the least."""
        return [0.5, 0.6, {14: 0.9, 6: 0.5}.get(sum(kernels(spec)), 0.4)]

    ended = search(plan, tmp_path, curve=odd)
    assert [kernels(run.variant.spec) for run in ended.runs[:1]] == [[3, 5]]
    assert sorted(kernels(run.variant.spec) for run in ended.runs[1:]) == [[3, 3], [7, 7]]
    for trial in ended.trials.all():
        spec = plan.design.reference.spec.edit(*trial.user_attrs["edits"].split())
        assert trial.values[1] == spec_costs(spec, [cost], (16, 16))[cost]


def test_latency_is_measured_once_a_network_while_no_run_is_trained(tmp_path: Path) -> None:
    table = 'sampler = "random"\nn_trials = 9\nobjectives = ["accuracy", "latency"]\n'
    plan = study_plan(tmp_path, f"{table}finalists = {{ seeds = [9] }}")
    with pytest.raises(KeyboardInterrupt):
        search(plan, tmp_path, slots=2, stop_after=7)
    ended = search(plan, tmp_path, slots=2)
    # The engine of the tests refuses to measure while it has a job, and gives the millions of MACs.
    edits = [trial.user_attrs["edits"] for trial in ended.trials.all()]
    assert len(set(edits)) == 9
    for trial in ended.trials.all():
        spec = plan.design.reference.spec.edit(*trial.user_attrs["edits"].split())
        assert trial.values[1] == measure(spec, (16, 16)).macs / 1e6
    # Two trials are begun at a time. Of seven runs two seeds each, six ended trials' and one
    # of the fourth's were trained, so that the first process measured four.
    assert sorted(ended.engine.timed[:5]) == sorted(edits[4:])
    # In the end the finalists and the baseline, all together.
    front = {run.variant.spec.label for run in ended.runs}
    assert sorted(ended.engine.timed[5:]) == sorted(front)
    assert f"{ended.trials.all()[0].values[1]:.2f}" in ended.printed()


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


def test_the_dry_run_of_a_search(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f'n_trials = 40\nbudget = {{ macs = "baseline" }}\n{BEST}')
    assert plan.study.search
    out = Screen(file=io.StringIO(), width=200)
    print_search_plan(plan, plan.study.search, Store(tmp_path / "runs"), 2, out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "2 parameters, 9 distinct assignments" in text
    # Three of the nine are affordable; four standard errors of 1,000 draws are 6 %.
    share = float(text.split("1,000 samples ")[1].split("%")[0])
    assert share == pytest.approx(100 / 3, abs=6)
    assert "Trials: 9 in all by tpe, 2 seeds each, 3 epochs" in text
    assert "finalists: the best 2 and the baseline, 1 fresh seed each" in text
    assert not (tmp_path / "runs").exists()


def test_the_time_of_a_search_counts_a_whole_front(tmp_path: Path) -> None:
    """An epoch of the baseline took a second; a run has three."""
    more = 'n_trials = 4\nobjectives = ["accuracy", "macs"]\nfinalists = { seeds = [9] }'
    plan = study_plan(tmp_path, f"{more}\ncompare_random = true")
    assert plan.study.search
    store = Store(tmp_path / "runs")
    job = plan.job(plan.runs[0], store, 1)
    write_record(job, plan.design.reference.spec, [0.5] * 3, failed=False)
    record = store.records()[0]
    folder = store.folder(record.digest)
    (folder / RECORD).write_text(replace(record, data=dict(plan.data.identity)).to_json())
    out = Screen(file=io.StringIO(), width=200)
    print_search_plan(plan, plan.study.search, store, 1, out)
    assert isinstance(out.file, io.StringIO)
    # 4 trials and 4 random ones of two seeds; at most 4 finalists and the baseline of one.
    assert f"At most {duration((8 * 2 + 5) * 3)} on 1 worker" in out.file.getvalue()


def test_random_trials_beside_a_search(tmp_path: Path) -> None:
    table = f'n_trials = 12\nbudget = {{ macs = "57k" }}\n{BEST}'
    alone = study_plan(tmp_path, table, KERNELS + WIDTH)
    plan = study_plan(tmp_path, f"compare_random = true\n{table}", KERNELS + WIDTH)
    assert plan.digest == alone.digest  # begun without them, a search may be given them later
    search(alone, tmp_path, untied)
    ended = search(plan, tmp_path, untied)
    random = ended.trials_of("-random")
    # What is trained now are the random trials alone, and of those only what the search had not.
    names = [trial.user_attrs["variant"] for trial in random.all()]
    assert names == [f"random trial {number}" for number in range(12)]
    mine = {trial.user_attrs["network"] for trial in ended.trials.all()}
    new = [drawn for drawn in random.all() if drawn.user_attrs["network"] not in mine]
    assert len(ended.engine.trained) == 2 * len(new)
    assert all(drawn.state == TrialState.COMPLETE for drawn in random.all())
    assert all(drawn.user_attrs["macs"] <= 57_000 for drawn in random.all())
    assert all("taught" not in drawn.system_attrs for drawn in random.all())
    # Neither the search nor its finalists know of them.
    assert len(ended.trials) == len(ended.trials.study.trials) == 12
    assert not {name for run in ended.runs for name in run.variant.names} & set(names)
    did = ended.searched
    assert [drawn.top1 for drawn in did.random] == [100 * drawn.values[0] for drawn in random.all()]
    assert len(did.trials) == len(did.random) == 12
    assert not any(drawn.finalist for drawn in did.random)
    again = search(plan, tmp_path, untied)
    assert again.engine.trained == []
    assert [drawn.params for drawn in again.trials_of("-random").all()] == [
        drawn.params for drawn in random.all()
    ]
    assert again.status.ended


def test_random_trials_are_the_studys_before_they_are_come_to_again(tmp_path: Path) -> None:
    """A search that is given more trials, and killed, still says which random ones it had."""
    table = f"compare_random = true\n{BEST}"
    few = study_plan(tmp_path, f"n_trials = 3\n{table}", KERNELS + WIDTH)
    ended = search(few, tmp_path, untied)
    assert len(ended.searched.random) == 3
    more = study_plan(tmp_path, f"n_trials = 6\n{table}", KERNELS + WIDTH)
    with pytest.raises(KeyboardInterrupt):
        search(more, tmp_path, untied, stop_after=1)
    status = StudyStatus.load(ended.driver.folder)
    names = {f"random trial {number}" for number in range(3)}
    shared = {run.digest for run in ended.status.lines if run.variant in names}
    assert shared <= {run.digest for run in status.lines}
    assert shared


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_a_random_search_is_not_compared_with_itself(tmp_path: Path, sampler: str) -> None:
    with pytest.raises(InputError, match=f'compare_random = true: sampler = "{sampler}" draws at'):
        study_plan(tmp_path, f'sampler = "{sampler}"\nn_trials = 9\ncompare_random = true\n{BEST}')


def test_what_a_search_refuses(tmp_path: Path) -> None:
    many = "".join(
        WIDTH.replace('"width"', f'"w{row}"').replace("3.exp", f"{row}.exp").replace("64", "500")
        for row in (2, 3)
    )
    plan = study_plan(tmp_path, f'sampler = "grid"\n{BEST}', many)
    with pytest.raises(InputError, match=r"243,049 assignments, and at most 100,000"):
        search(plan, tmp_path)


def test_other_spaces_are_other_studies(tmp_path: Path) -> None:
    plan = study_plan(tmp_path, f"n_trials = 3\n{BEST}")
    assert study_plan(tmp_path, f"n_trials = 4\n{BEST}").digest == plan.digest
    for table, parameters in ((f"n_trials = 3\n{BEST}", KERNELS + WIDTH),
                              (f'n_trials = 3\nsampler = "random"\n{BEST}', KERNELS)):  # fmt: skip
        assert study_plan(tmp_path, table, parameters).digest != plan.digest


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_thousand_trials_cost_less_than_twenty_milliseconds_each(tmp_path: Path) -> None:
    """Everything but the training: sampling, admission, the journal, the store, the status."""
    count = 10_000
    wide = WIDTH.replace("64", "1000") + WIDTH.replace('"width"', '"other"').replace(
        "3.exp", "2.exp"
    ).replace("64", "1000")
    plan = study_plan(
        tmp_path, f'sampler = "random"\nn_trials = {count}\n{BEST}', wide,
        HEAD_3.replace("seeds = [0, 1]", "seeds = [0]"),
    )  # fmt: skip
    began = time.perf_counter()
    ended = search(plan, tmp_path, curve=lambda spec, seed: [0.5], slots=2)
    took = (time.perf_counter() - began) / count
    print(f"\n{1000 * took:.2f} ms a trial over {count:,} trials")
    assert len(ended.trials) == count
    began = time.perf_counter()
    search(plan, tmp_path)
    print(f"{time.perf_counter() - began:.1f} s to see that all of it is done")
    assert took < 0.020
