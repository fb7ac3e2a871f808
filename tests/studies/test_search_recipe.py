"""Fields of the recipe in a search space: what they mean, what is refused, what is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.engines.base import Job
from fuseablate.errors import InputError
from fuseablate.recipes import changed, changes_of
from fuseablate.recipes.load import load_recipe
from fuseablate.runs.store import run_digest
from fuseablate.space.fields import Value
from fuseablate.space.space import Space, identity_of, recipe_of, size_of, spec_of
from fuseablate.studies.design import expand
from tests.helpers.searches import BEST, HEAD_3, KERNELS, search, study_plan
from tests.helpers.study_file import loaded, written

LR = """
[[search.parameters]]
name = "rate"
recipe = "lr"
kind = "float"
low = 0.001
high = 1.0
log = true
"""
OPTIMIZER = """
[[search.parameters]]
name = "optimizer"
recipe = "optimizer"
kind = "categorical"
choices = ["sgd", "adamw"]
[[search.parameters]]
name = "momentum"
recipe = "momentum"
kind = "float"
low = 0.5
high = 0.9
step = 0.2
when = { optimizer = "sgd" }
"""
HOW = """
[[search.parameters]]
name = "how"
kind = "categorical"
[search.parameters.choices]
as-is = []
wide = ["3.out=48"]
steps = { recipe = { lr = 0.2, schedule = { kind = "multistep", milestones = [0.5] } } }
both = { edits = ["3.out=48"], recipe = { epochs = 2 } }
"""
STANDARD = load_recipe("standard").replace(epochs=3)


def space(folder: Path, *parameters: str) -> Space:
    table = f'design = "search"\n[search]\nn_trials = 3\n{BEST}\n{"".join(parameters)}'
    study = loaded(folder, table, HEAD_3)
    assert study.search
    return Space.of(study.spec, study.search.parameters, study.recipe)


def refusal(folder: Path, parameter: str) -> str:
    with pytest.raises(InputError) as caught:
        space(folder, parameter)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_value_changes_the_recipe_and_not_the_network(tmp_path: Path) -> None:
    whole = space(tmp_path, LR, OPTIMIZER, KERNELS)
    params: dict[str, Value] = {
        "rate": 0.0123456,
        "optimizer": "sgd",
        "momentum": 0.7,
        "kernel.2": 3,
        "kernel.3": 5,
    }
    recipe = recipe_of(whole, params)
    assert recipe is not None
    assert recipe.to_dict() == STANDARD.replace(lr=0.01235, momentum=0.7).to_dict()
    assert spec_of(whole, params) == whole.spec
    other = recipe_of(whole, {**params, "optimizer": "adamw"})  # momentum does not exist there
    assert other is not None
    expected = changed(STANDARD, {"lr": 0.01235, "optimizer": "adamw"})
    assert other.to_dict() == expected.to_dict()
    assert size_of(space(tmp_path, OPTIMIZER, KERNELS)) == (3 + 1) * 9


def test_a_named_choice_changes_several_fields_and_the_network(tmp_path: Path) -> None:
    whole = space(tmp_path, HOW)
    schedule = {"kind": "multistep", "milestones": [0.5]}
    means: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
        "as-is": ((), {}),
        "wide": (("3.out=48",), {}),
        "steps": ((), {"lr": 0.2, "schedule": schedule}),
        "both": (("3.out=48",), {"epochs": 2}),
    }
    for name, (edits, changes) in means.items():
        recipe = recipe_of(whole, {"how": name})
        assert recipe is not None
        assert recipe.to_dict() == STANDARD.replace(**changes).to_dict()
        assert spec_of(whole, {"how": name}).edits == edits
    (how,) = whole.parameters
    assert how.recipe_fields == {"lr", "schedule", "epochs"}
    # As it was always written where no recipe is changed: studies go by a digest of this.
    lists = '[search.parameters.choices]\nas-is = []\nwide = ["3.out=48"]\n'
    (listed,) = space(tmp_path, HOW.partition("[search.parameters.c")[0] + lists).parameters
    assert listed.model_dump()["choices"] == {"as-is": (), "wide": ("3.out=48",)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lr = 0.2", "rl = 0.2", "choices.steps: recipe: unknown field 'rl'; did you mean 'lr'?"),
        ("lr = 0.2", "lr = -1", "parameter 'how': recipe: lr = -1: must be greater than 0"),
        ("{ epochs = 2 }", "2", "choices.both.recipe = 2: must be a table"),
        ("edits = [", "edit = [", "choices.both: unknown key 'edit'; did you mean 'edits'?"),
        ("{ recipe = { lr", "0 # ", "choices: 'steps' must be a list of edits"),
        ('name = "how"', 'name = "how"\neach = "fuse"', "each: a recipe has no rows"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert said in refusal(tmp_path, HOW.replace(old, new))


def test_one_network_with_two_recipes_is_two_trials(tmp_path: Path) -> None:
    whole = space(tmp_path, LR)
    size = (16, 16)
    network = whole.spec.digest(size)
    rate = STANDARD.lr
    names = [identity_of(whole, {"rate": lr}, whole.spec, size) for lr in (rate, 0.1234, 0.5)]
    assert names[0] == network  # the baseline itself
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"lr"', '"rate"', "recipe: unknown field 'rate'"),
        ('"lr"', '"name"', "recipe: unknown field 'name'"),
        ('recipe = "lr"', "", "edit: missing"),
        ('recipe = "lr"', 'recipe = "lr"\nedit = "3.exp={}"', "there is an edit already"),
        ('recipe = "lr"', 'recipe = "lr"\neach = "fuse"', "a recipe has no rows"),
        ("high = 1.0", "high = -1.0", "must be less than high"),
        ('"lr"', '"label_smoothing"', "recipe: label_smoothing = 1.0: must be less than 1"),
        ('"lr"', '"betas"', "recipe: "),
    ],
)
def test_what_a_recipe_refuses_is_said_before_the_search(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = refusal(tmp_path, LR.replace(old, new))
    assert said in text
    assert "rate" in text or "parameters[0]" in text


def test_pruning_and_trials_of_several_lengths_do_not_go_together(tmp_path: Path) -> None:
    epochs = '[[search.parameters]]\nname="e"\nrecipe="epochs"\nkind="int"\nlow=2\nhigh=4\n'
    for lengths in (epochs, HOW):
        assert "not of one length" in refusal(tmp_path, lengths.join(('prune = "median"\n', "")))
    assert size_of(space(tmp_path, epochs)) == 3


def by_rate(job: Job) -> Sequence[float]:
    """The best rate is 0.03; a factor of ten costs 0.2."""
    top1 = 0.9 - 0.2 * abs(math.log10(job.recipe["lr"] / 0.03)) + job.seed / 10_000
    return [top1 / 3, top1 / 2, top1]


def test_a_search_over_rates_ends_with_its_best(tmp_path: Path) -> None:
    table = f'sampler = "random"\nn_trials = 30\n{BEST}'
    head = HEAD_3.replace("seeds = [0, 1]", "seeds = [0]")
    plan = study_plan(tmp_path, table, LR + OPTIMIZER + KERNELS, head)
    ended = search(plan, tmp_path, by_job=by_rate)
    trials = ended.trials.all()
    assert len(trials) == 30
    best = max(trials, key=lambda trial: trial.values[0])
    base, first, _ = (run.variant for run in ended.runs)
    assert base.recipe == plan.study.recipe
    rate = float(f"{best.params['rate']:.4g}")
    assert first.recipe.lr == rate
    assert first.levels[0]["rate"] == f"{rate:g}"
    for run in ended.runs:  # the digest follows the recipe
        variant = run.variant
        assert run.digest == run_digest(variant.spec, variant.recipe, plan.data, run.seed)
    assert len({job.key for job in ended.engine.trained}) == len(ended.engine.trained)
    # What is shown: the value with each trial, and which parameter decides.
    text = ended.printed()
    assert f"lr={rate:g}" in text
    assert "Edits and recipe" in text
    rated = next(line for line in text.splitlines() if "PED-ANOVA" in line)
    assert rated.split(": ")[1].startswith("rate ")
    manifest = ended.outcome.manifest
    assert f"lr={rate:g}" in manifest.variants[1].recipe
    assert not manifest.variants[1].recipe.startswith("standard")
    # Started again, it trains nothing and finds the same.
    again = search(plan, tmp_path, by_job=by_rate)
    assert not again.engine.trained
    assert [run.digest for run in again.runs] == [run.digest for run in ended.runs]


def test_explore_leaves_the_recipe_out_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = f'design = "search"\n[search]\nn_trials = 3\n{BEST}\n'
    path = written(tmp_path, table + LR + KERNELS)
    words = ["explore", str(tmp_path / "small.toml"), "--space", str(path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "fields of the recipe cost nothing: rate" in said
    assert "9" in said
    path.write_text(path.read_text().replace(KERNELS, ""))
    assert main(words) == 2
    assert "there is nothing to explore" in capsys.readouterr().err
    bound = KERNELS.replace("each =", 'when = { optimizer = "sgd" }\neach =')
    path.write_text(path.read_text().replace(LR, OPTIMIZER + bound))
    assert main(words) == 2
    assert "depends on 'optimizer'" in capsys.readouterr().err
    assert len(expand(loaded(tmp_path, table + LR), (16, 16), 4).variants) == 1


def test_explore_counts_the_networks_of_choices_that_change_the_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, f'design = "search"\n[search]\nn_trials = 3\n{BEST}\n{HOW}')
    assert main(["explore", str(tmp_path / "small.toml"), "--space", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Left out" not in said
    # Of the four choices `as-is` and `steps` are the baseline's network, and the others another.
    assert "Assignments 4, all of them looked at" in said
    assert "Distinct tables 2 " in said


def test_a_value_that_the_recipe_has_is_no_change_of_it(tmp_path: Path) -> None:
    """The standard recipe is SGD with a rate of 0.05 and a momentum of 0.9."""
    whole = space(tmp_path, LR, OPTIMIZER)
    own: dict[str, Value] = {"rate": 0.05, "optimizer": "sgd", "momentum": 0.9}
    cases: list[tuple[dict[str, Value], str]] = [
        (own, ""),
        ({**own, "rate": 0.1}, "lr=0.1"),
        ({**own, "rate": 0.1, "momentum": 0.5}, "lr=0.1 momentum=0.5"),
        ({"rate": 0.05, "optimizer": "adamw"}, "optimizer=adamw"),
    ]
    for params, changes in cases:
        recipe = recipe_of(whole, params)
        assert recipe
        assert whole.recipe
        assert recipe.name == f"{whole.recipe.name} {changes}".strip()
        assert changes_of(recipe, whole.recipe) == changes
