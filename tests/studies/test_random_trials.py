"""Random trials beside those of a search."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from fuseablate.errors import InputError
from fuseablate.runs.status import StudyStatus
from tests.helpers.searches import BEST, KERNELS, WIDTH, search, study_plan, untied


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
