"""The search, on an engine that trains nothing: what it samples, counts and saves."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from optuna.trial import TrialState

from fuseablate.cost.costs import measure, spec_costs
from fuseablate.engines.workers import Workers
from fuseablate.errors import InputError
from fuseablate.io.terminal import Screen, duration
from fuseablate.runs.store import RECORD, Store
from fuseablate.spec.spec import Spec
from fuseablate.studies.execute import carry_out
from fuseablate.studies.plan import make_plan
from fuseablate.studies.screens.search import print_search_plan
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import open_storage
from tests.helpers.instant_engine import InstantEngine, driver_of, write_record
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
    untied,
)


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


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [
        ("n_trials = 4", 11, 11),  # 4 x 2, the 2 best on a fresh seed, and the baseline on it
        ("n_trials = 50", 21, 21),  # the space holds nine
        ("n_trials = 4\ncompare_random = true", 11 + 2, 11 + 4 * 2),  # some are trained already
        ("n_trials = 4\nfirst_seed_only = true", 7, 11),
    ],
)
def test_a_status_says_how_many_runs_there_may_come_to_be(
    tmp_path: Path, table: str, least: int, most: int
) -> None:
    plan = study_plan(tmp_path, f"{table}\n{BEST}")
    driver = driver_of(plan, tmp_path / "runs", InstantEngine(untied))
    counts: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver.view, "update", lambda s: counts.append(len(s.lines) + s.possible))
        carry_out(driver, open_storage(None, driver.folder))
    counts = counts[counts.index(most) :]  # before the first trial is drawn nobody knows
    assert counts == sorted(counts, reverse=True)
    assert least <= counts[-1] == len(driver.status.lines)


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
    assert [run.variant.spec for run in ended.runs] == [run.variant.spec for run in whole.runs]
    for name in ("over budget", "repeated", "impossible"):
        counts = [sum(t.user_attrs.get(name, 0) for t in e.trials.all()) for e in (ended, whole)]
        assert counts[0] == counts[1]


def test_a_search_goes_on_from_edits_that_a_width_rounds_away(tmp_path: Path) -> None:
    """Row 1 has 8 channels, and 8 in a width of x0.3, as 12 and 20 have; in x0.6 12 are 8, too."""
    stem_and_width = """
[[search.parameters]]
name = "stem"
kind = "categorical"
choices = [12, 20]
edit = "1.out={}"

[[search.parameters]]
name = "width"
kind = "categorical"
choices = ["x0.3", "x0.6"]
edit = "scale.width={}"
"""
    plan = study_plan(tmp_path, f'sampler = "grid"\nn_trials = 4\n{BEST}', stem_and_width)
    for stop in (1, 4):
        with pytest.raises(KeyboardInterrupt):
            search(plan, tmp_path, untied, stop_after=stop)
    trials = search(plan, tmp_path, untied).trials.all()
    # All other rows have 16 channels: 8 in x0.3, and 16 in x0.6.
    assert {trial.user_attrs["edits"] for trial in trials} == {
        "", "scale.width=x0.3", "1.out=20 scale.width=x0.6"
    }  # fmt: skip
    assert len(trials) == 3


def test_a_search_whose_table_has_changed_does_not_go_on(tmp_path: Path) -> None:
    """Row 3 has no SE: with what it would be reduced by, the baseline stays what it is."""
    gate = '[[search.parameters]]\nname = "se"\nkind = "categorical"\nedit = "3.se={}"\n'
    table = f'sampler = "grid"\nn_trials = 3\n{BEST}'
    plan = study_plan(tmp_path, table, f"{gate}choices = [true, false]\n")
    ended = search(plan, tmp_path)
    (trial,) = [t for t in ended.trials.all() if t.user_attrs["edits"]]
    small = tmp_path / "small.toml"
    row = 'id = "3"\nop = "fuse"\n'
    small.write_text(small.read_text().replace(row, f"{row}se_reduction = 8\n"))
    changed = make_plan(load_study(plan.study.path), None)
    assert changed.digest == plan.digest
    said = (
        rf"mine\.toml: trial {trial.number} \(3\.se=true\) is not the network any more that was "
        "trained: the table or a plug-in has changed since; take the change back, or search anew "
        "under another name of the file$"
    )
    with pytest.raises(InputError, match=said):
        search(changed, tmp_path)


@pytest.mark.parametrize("objectives", ['["accuracy"]', '["accuracy", "macs"]'])
def test_a_trial_that_somebody_else_has_made_is_none_of_the_searchs(
    tmp_path: Path, objectives: str
) -> None:
    """Optuna gives it the number of the search's next one."""
    best = "seeds = [9]" if "macs" in objectives else "best = 2, seeds = [9]"
    table = f"objectives = {objectives}\nfinalists = {{ {best} }}"
    alone = search(study_plan(tmp_path, f"n_trials = 5\n{table}"), tmp_path / "alone")
    few = search(study_plan(tmp_path, f"n_trials = 3\n{table}"), tmp_path / "beside")
    few.trials.study.tell(few.trials.study.ask(), state=TrialState.FAIL)
    with pytest.raises(KeyboardInterrupt):
        search(alone.plan, tmp_path / "beside", stop_after=3)
    ended = search(alone.plan, tmp_path / "beside")
    assert len(ended.trials.study.trials) == 6
    assert ended.params == alone.params
    assert ended.searched.trials == alone.searched.trials
    assert [run.name for run in ended.runs] == [run.name for run in alone.runs]


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


def test_the_dry_run_of_a_search(tmp_path: Path) -> None:
    table = f'n_trials = 40\nbudget = {{ macs = "baseline" }}\npoints_to_evaluate = [{{}}]\n{BEST}'
    plan = study_plan(tmp_path, table)
    assert plan.study.search
    out = Screen(file=io.StringIO(), width=200)
    print_search_plan(plan, plan.study.search, Store(tmp_path / "runs"), 2, out)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "2 parameters, 9 distinct assignments" in text
    # Three of the nine are affordable; four standard errors of 1,000 draws are 6 %.
    share = float(text.split("1,000 samples ")[1].split("%")[0])
    assert share == pytest.approx(100 / 3, abs=6)
    assert "Tried before anything is sampled: 1 point of the study's file" in text
    assert "Trials: 9 in all by tpe, 2 seeds each, 3 epochs" in text
    assert "finalists: the best 2 and the baseline, 1 fresh seed each" in text
    assert not (tmp_path / "runs").exists()


LENGTHS = '[[search.parameters]]\nname="e"\nrecipe="epochs"\nkind="int"\nlow=1\nhigh=2\n'
PARENT = '[[search.parameters]]\nname="p"\nkind="categorical"\nchoices=[8, 16]\nedit="1.out={}"\n'


@pytest.mark.parametrize(
    ("lengths", "said", "longest"),
    [
        ("", "3 epochs", 3),
        (LENGTHS.replace("high=2", "high=7"), "1 to 7 epochs", 7),
        (LENGTHS, "1 to 2 epochs", 3),  # the baseline is a finalist at its own length
        (f"{PARENT}{LENGTHS}when={{ p = 8 }}\n", "1 to 3 epochs", 3),
    ],
)
def test_the_time_of_a_search_counts_a_whole_front(
    tmp_path: Path, lengths: str, said: str, longest: int
) -> None:
    """An epoch of the baseline took a second; a run has three, or as many as the longest trial."""
    more = 'n_trials = 4\nobjectives = ["accuracy", "macs"]\nfinalists = { seeds = [9] }'
    plan = study_plan(tmp_path, f"{more}\ncompare_random = true", KERNELS + lengths)
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
    text = out.file.getvalue()
    assert f"At most {duration((8 * 2 + 5) * longest)} on 1 worker" in text
    assert f"2 seeds each, {said}, pruning: none" in text


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
