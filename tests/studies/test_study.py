"""Study files: what one says, and what is said of a bad one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuseablate.errors import InputError
from fuseablate.recipes import changed
from fuseablate.recipes.load import load_recipe
from fuseablate.recipes.schedules import OneCycle
from fuseablate.seeds import SeedPlan
from fuseablate.studies.study import load_study
from tests.helpers.study_file import HEAD, factor, loaded, written

ONE = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
SEARCH = """design = "search"
[search]
n_trials = 10
finalists = { best = 2, seeds = [2, 3] }
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = [3, 5]
edit = "fuse.kernel={}"
"""


def message(folder: Path, body: str, head: str = HEAD) -> str:
    with pytest.raises(InputError) as caught:
        loaded(folder, body, head)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{folder / 'mine.toml'}: ")
    return text.removeprefix(f"{folder / 'mine.toml'}: ")


def test_a_study_is_read_with_its_baseline(tmp_path: Path) -> None:
    study = loaded(tmp_path, ONE)
    assert (study.name, study.title, study.question) == ("mine", "Small", "Does it work?")
    assert study.path == tmp_path / "mine.toml"
    assert (study.spec.name, study.spec.classes) == ("small", 4)
    assert study.seeds == SeedPlan(each=(0, 1), reference=(0, 1))
    assert study.data.arguments == {"size": 16, "classes": 4}
    assert (study.data.image_size, study.data.known_classes) == ((16, 16), 4)
    assert study.recipe == load_recipe("standard")
    assert study.factors[0].levels[0].edits == ("all.se=false",)


def test_short_forms_name_shipped_things(tmp_path: Path) -> None:
    head = 'title = "a"\nquestion = "b"\ndata = "cifar10"\nrecipe = "quick"\nseeds = [7]\n'
    study = loaded(tmp_path, ONE, head)
    assert study.spec.name == "fusenet"
    assert (study.data.image_size, study.data.known_classes) == ((32, 32), 10)
    assert study.recipe.name == "quick"
    folder = loaded(tmp_path, ONE, head.replace('"cifar10"', '{ name = "folder", size = 48 }'))
    assert (folder.data.image_size, folder.data.known_classes) == ((48, 48), None)


def test_a_recipe_with_changes_of_a_shipped_one_or_of_a_file(tmp_path: Path) -> None:
    table = '[recipe]\nepochs = 12\nlr = 1\nschedule = { kind = "onecycle", warmup = 0.2 }\n'
    recipe = loaded(tmp_path, ONE.replace("\n[[", "\n" + table + "\n[[", 1)).recipe
    assert (recipe.epochs, recipe.lr, recipe.momentum) == (12, 1.0, 0.9)
    assert recipe.schedule == OneCycle(kind="onecycle", warmup=0.2)
    assert recipe.name.startswith("standard epochs=12 lr=1 schedule=")
    (tmp_path / "own.toml").write_text('epochs=3\nbatch_size=8\noptimizer="adam"\nlr=0.01\n')
    table = '[recipe]\nbase = "own.toml"\nbatch_size = 16\n'
    recipe = loaded(tmp_path, ONE.replace("\n[[", "\n" + table + "\n[[", 1)).recipe
    assert (recipe.optimizer, recipe.epochs, recipe.batch_size) == ("adam", 3, 16)


def test_a_study_at_another_length(tmp_path: Path) -> None:
    table = "[recipe]\nepochs = 10\nlr = 0.1\n"
    study = loaded(tmp_path, ONE.replace("\n[[", "\n" + table + "\n[[", 1))
    short = study.with_epochs(5)
    assert (short.name, short.recipe.name) == ("mine-5ep", "standard lr=0.1 epochs=5")
    assert short.recipe.to_dict() == {**study.recipe.to_dict(), "epochs": 5}
    assert (short.factors, short.seeds, short.path) == (study.factors, study.seeds, study.path)
    assert study.with_epochs(10) is study


def test_another_optimizer_starts_from_its_own_defaults() -> None:
    base = load_recipe("standard").replace(momentum=0.9, nesterov=True)
    adamw = changed(base, {"optimizer": "adamw", "lr": 0.002})
    assert (adamw.momentum, adamw.nesterov, adamw.weight_decay) == (None, None, base.weight_decay)
    assert changed(base, {"optimizer": "rmsprop"}).to_dict()["momentum"] == 0.0
    assert changed(base, {"optimizer": "rmsprop", "momentum": 0.5}).momentum == 0.5
    assert changed(base, {"optimizer": "sgd", "lr": 0.2}).nesterov is True
    assert changed(base, {}) is base
    with pytest.raises(InputError, match="adam takes none"):
        changed(base, {"optimizer": "adam", "momentum": 0.9})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("desing = 1\n" + ONE, "unknown key 'desing'; did you mean 'design'?"),
        (ONE.replace("one-factor", "one-facter"), "did you mean 'one-factor'?"),
        (factor("se", "off: all.se=false"), "design: missing; it must be given"),
        ('design = "one-factor"', 'factors: missing; design = "one-factor" needs it'),
        (
            'design = "factorial"\nedit = "se=false"\n' + factor("a", "b: all.se=false"),
            'edit: design = "factorial" takes none; leave it out',
        ),
        ('design = "per-row"\nrows = "fuse"', "edit: missing"),
        (
            'design = "per-row"\nrows = "fuse"\nedit = "fuse.se=false"',
            "edit = \"fuse.se=false\": must be FIELD=VALUE, such as se=false; 'rows' says where",
        ),
        ('design = "per-row"\nrows = "fuse"\nedit = "se"', "is not of the form"),
        (ONE.replace('"se"', '"se=x"'), 'factors[0].name = "se=x": a name is 1 to 40 letters'),
        (ONE.replace('"off"', '"o/ff"'), 'factors[0].levels[0].name = "o/ff": a name is'),
        (ONE.replace('"off"', '"baseline"'), 'name = "baseline": is taken; use another'),
        (ONE.replace('"se"', '"candidate"'), 'name = "candidate": is taken; use another'),
        (
            ONE.replace(', edits = ["all.se=false"]', ""),
            "factors[0].levels[0]: must give spec, edits",
        ),
        (ONE.replace("edits =", "edit ="), "unknown key 'edit'; did you mean 'edits'?"),
        (ONE.replace('["all.se=false"]', '"all.se=false"'), "factors[0].levels[0].edits"),
        (
            'design = "one-factor"\n' + factor("se", "off: all.se=false", "off: 2.se=false"),
            "factors[0]: levels: 'off' appears twice",
        ),
        (ONE + factor("se", "x: 2.se=false"), "factors: 'se' appears twice"),
        (
            ONE.replace("one-factor", "leave-one-out"),
            "needs at least 2, and there are 1; use design = ",
        ),
        (ONE.replace("one-factor", "fractional"), "needs at least 4, and there are 1"),
        (
            'design = "leave-one-out"\n'
            + factor("se", "a: all.se=false", "b: fuse.se=true")
            + factor("k", "3: fuse.kernel=3"),
            "factor 'se' has 2 levels; design = \"leave-one-out\" takes one each besides "
            "the baseline",
        ),
        ('design = "search"', "search: missing"),
        (SEARCH.replace("[2, 3]", "[1, 2]"), "finalists.seeds: 1 is a seed of the search too"),
        (SEARCH.replace("n_trials = 10\n", ""), "search: n_trials: missing"),
        (SEARCH.replace("best = 2, ", ""), "search: finalists.best: missing"),
        (SEARCH.replace("n_trials", "n_trails"), "did you mean 'n_trials'?"),
        (SEARCH.replace("10\n", '10\nsampler = "tpa"\n'), "did you mean 'tpe'?"),
        (
            SEARCH.replace("10\n", '10\nobjectives = ["macs"]\n'),
            'must hold "accuracy", which is what training is for',
        ),
        (
            SEARCH.replace("10\n", '10\nobjectives = ["accuracy", "accuracy"]\n'),
            "objectives = ['accuracy', 'accuracy']: names one twice",
        ),
        (
            SEARCH.replace("10\n", '10\nsampler = "random"\ncompare_random = true\n'),
            'draws at random itself; leave it out, or search by "tpe" or "nsga2"',
        ),
        (SEARCH.replace("10\n", '10\nobjectives = ["accuracy", "mac"]\n'), "did you mean 'macs'?"),
        (
            SEARCH.replace("10\n", '10\nobjectives = ["accuracy", "macs"]\n'),
            "with several objectives the finalists are the front",
        ),
        (
            SEARCH.replace("10\n", '10\nbudget = { macs = "4 M" }\n'),
            'search.budget.macs = "4 M": must be a whole number, a text such as "4.2M" (k, '
            'M or G), or "baseline"',
        ),
        (SEARCH.replace("10\n", '10\nbudget = { macs = "1.5" }\n'), "must come to a whole number"),
        (
            SEARCH.replace("10\n", "10\nbudget = {}\n"),
            "search.budget: must give macs, params or another cost its most",
        ),
        (SEARCH.replace("[3, 5]", "[3, 3]"), "choices: needs two or more that differ"),
        (SEARCH.replace("[3, 5]", "7"), "search.parameters[0].choices = 7: must be a list"),
        (SEARCH.replace("[[search.parameters]]", "[search.parameters]"), 'parameters = { name = "'),
        (
            SEARCH.replace("[[search.parameters]]", "[search.parameters]"),
            "must be a list; each entry begins with [[search.parameters]]",
        ),
        (SEARCH.replace("[3, 5]", "[3, [5]]"), "[5] must be a number, a text, true or false"),
        (
            SEARCH.replace("[3, 5]", "{ a = 3, b = [] }"),
            "'a' must be a list of edits, such as [\"fuse.op=mbconv\"], [] for the baseline, or a ",
        ),
        (
            SEARCH.replace("[3, 5]", '{ "a b" = [], b = [] }'),
            "a name is 1 to 40 letters, digits and '.', '_', '+' or '-', and begins with a "
            "letter or a digit; it becomes part of file names and of labels in W&B",
        ),
        (SEARCH.replace("[3, 5]", "[]"), "choices: needs two or more that differ, and has none"),
        (SEARCH.replace("choices", "when = { a = [1] }\nchoices"), "[1] must be a number"),
        (SEARCH.replace("{}", "5"), "must hold '{}' once, where the value goes"),
        (
            SEARCH.replace('edit = "fuse.kernel={}"\n', ""),
            'edit: missing; it says what a value does, as in "5-12.kernel={}"; recipe = '
            '"lr" may stand in its place',
        ),
        (SEARCH.replace('"categorical"', '"catgorical"'), "did you mean 'categorical'?"),
        (
            SEARCH.replace("choices", 'each = "fuse"\nchoices'),
            "with 'each' it must name the row, as in \"{row}.kernel={}\"",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, body: str, said: str) -> None:
    assert said in message(tmp_path, body)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "[0, 1]",
            "[0, 0]",
            "seeds = [0, 0]: names a seed twice; write each once, such as [0, 1, 2]",
        ),
        ("[0, 1]", "[-1]", "seeds[0] = -1: must be greater than or equal to 0"),
        ("[0, 1]", "[]", "seeds = []: has 0 entries, and must have at least 1"),
        ("[0, 1]", "[true]", "seeds[0] = true: must be a whole number"),
        (
            "[0, 1]",
            "{ each = 4, reference = 3 }",
            "reference = 3: must be at least the 4 of every variant",
        ),
        (
            "[0, 1]",
            "[0]\nplugins = 'mine.py'",
            "plugins = 'mine.py': write a list of files, as [\"mine.py\"]",
        ),
        ('title = "Small"', "", "title: missing"),
        ('"small.toml"', '"fusent"', "spec: a spec is a name or a path"),
        ('"small.toml"', '"fusent"', "did you mean 'fusenet'?"),
        ('"small.toml"', '"other.toml"', "other.toml: cannot be read"),
        ('"generated"', '"generate"', "did you mean 'generated'?"),
        ('"generated"', '"folder"', "data: unknown argument of folder data 'classes'"),
        (
            '{ name = "generated", classes = 4, size = 16 }',
            '"folder"',
            'data = "folder": size: missing',
        ),
        (
            'name = "generated", classes = 4',
            'name = "cifar10"',
            "data: cifar10 data: size = 16: must be 32",
        ),
        ("seeds", 'recipe = "standrd"\nseeds', "did you mean 'standard'?"),
        ("seeds", "recipe = { epochs = 0 }\nseeds", "recipe: epochs = 0: must be greater"),
        ("seeds", "recipe = { epoch = 9 }\nseeds", "recipe: unknown key 'epoch'; did you mean"),
        (
            "seeds",
            "recipe = { base = 3 }\nseeds",
            "recipe: base = 3: must be the name of a recipe or the path of a .toml file",
        ),
        ("seeds", "recipe = 3\nseeds", "recipe = 3: must be a"),
    ],
)
def test_what_is_wrong_at_the_head(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HEAD
    assert said in message(tmp_path, ONE, HEAD.replace(old, new))


def test_a_study_bears_its_files_name_which_must_be_fit_for_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my study\.toml: the file's name is the study's: a name"):
        load_study(written(tmp_path, ONE, name="my study"))


def test_a_name_is_a_shipped_studys_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "se").mkdir()
    assert load_study("se").title == "Squeeze-and-excitation"
    (tmp_path / "mine").write_text(HEAD + ONE)
    with pytest.raises(InputError, match=r"^a study is a name or a path to a \.toml: unknown"):
        load_study("mine")


def test_amounts_and_limits(tmp_path: Path) -> None:
    for written_as, number in (
        ('"4.2M"', 4_200_000), ('"1.001G"', 1_001_000_000), ('"12k"', 12_000), ('"5"', 5), ("6", 6),
    ):  # fmt: skip
        assert limits(tmp_path, f"macs = {written_as}") == {"macs": number}
    both = limits(tmp_path, 'macs = "baseline", params = "baseline"')
    assert both == {"macs": 47_168, "params": 2_728}  # by hand in tests/cost/test_variants.py


def limits(folder: Path, budget: str) -> dict[str, float]:
    study = loaded(folder, SEARCH.replace("10\n", f"10\nbudget = {{ {budget} }}\n"))
    assert study.search
    return study.search.limits(study.spec, (16, 16))


def test_budgets_and_objectives_are_any_cost_that_a_table_tells(tmp_path: Path) -> None:
    # The first row on 64 x 64: 64 x 27 by 27 x 8; more follows, so that a row's is the least.
    (most,) = limits(tmp_path, 'cycles = "baseline"').values()
    assert most > 27 + 64 + 8 - 1
    assert limits(tmp_path, '"cycles@systolic64" = "baseline"') == {"cycles@systolic64": most}
    assert limits(tmp_path, 'training_memory = "20M"') == {"training_memory": 20_000_000}
    for budget, said in (
        ("cycle = 5", "did you mean 'cycles'"),
        ("latency = 5", "unknown budget 'latency'"),
        ('"cycles@nope" = 5', "unknown hardware 'nope'"),
    ):
        assert said in message(tmp_path, SEARCH.replace("10\n", f"10\nbudget = {{ {budget} }}\n"))
    many = SEARCH.replace("10\n", '10\nobjectives = ["accuracy", "cycles@systolic64", "energy"]\n')
    search = loaded(tmp_path, many.replace("best = 2, ", "")).search
    assert search
    assert search.cost_objectives == ("cycles@systolic64", "energy")
    dumped = search.model_dump(mode="json")
    assert dumped["budget"] is None
    assert loaded(tmp_path, 'iso = "cycles"\n' + ONE).iso == "cycles"


def test_a_grid_needs_steps_and_no_number_of_trials(tmp_path: Path) -> None:
    grid = SEARCH.replace("n_trials = 10", 'sampler = "grid"')
    search = loaded(tmp_path, grid).search
    assert search is not None
    assert search.n_trials is None
    wide = '\n[[search.parameters]]\nname = "w"\nkind = "float"\nlow = 0.5\nhigh = 2.0\n'
    edit = 'edit = "fuse.exp=x{}"\n'
    said = "parameter 'w': is continuous, and sampler = \"grid\" tries all values; give it a step"
    assert said in message(tmp_path, grid + wide + edit)
    loaded(tmp_path, grid + wide + "step = 0.5\n" + edit)


def test_torch_is_not_imported() -> None:
    code = "import sys, fuseablate.studies.design; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
