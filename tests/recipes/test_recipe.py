"""Recipes: what ships, what a file may say, and what is said of a bad one."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path

import pytest

from fuseablate.errors import InputError
from fuseablate.recipes.load import load_recipe, shipped_recipes
from fuseablate.recipes.parts import OPTIMIZER_CLASSES, resolved, takes_weight_decay
from fuseablate.recipes.recipe import Recipe, changed, changes_of
from fuseablate.recipes.schedules import Cosine, MultiStep
from fuseablate.training.schedule import learning_rate

GOOD = """
epochs = 10
batch_size = 32
optimizer = "sgd"
lr = 0.1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_all_shipped_recipes_load_and_bear_a_title() -> None:
    assert list(shipped_recipes()) == [
        "bit-hyperrule",
        "bsconv",
        "bsconv-100",
        "densenet",
        "pytorch-cifar100",
        "quick",
        "regnet-report",
        "resnet-tutorial",
        "standard",
    ]
    for name in shipped_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.title


def test_the_sources_numbers() -> None:
    """As printed in the documents; see the head of each recipe's file."""
    regnet = load_recipe("regnet-report")
    assert (regnet.optimizer, regnet.lr, regnet.epochs) == ("adam", 0.001, 40)
    assert regnet.early_stop is not None
    assert (regnet.early_stop.monitor, regnet.early_stop.patience) == ("training", 5)
    densenet = load_recipe("densenet")
    assert (densenet.optimizer, densenet.lr, densenet.momentum) == ("sgd", 0.1, 0.9)
    assert (densenet.epochs, densenet.batch_size, densenet.nesterov) == (300, 64, None)
    tutorial = load_recipe("resnet-tutorial")
    assert (tutorial.optimizer, tutorial.lr) == ("adam", 0.001)
    assert (tutorial.epochs, tutorial.batch_size) == (80, 100)
    bit = load_recipe("bit-hyperrule")
    assert (bit.optimizer, bit.lr, bit.momentum, bit.nesterov) == ("sgd", 0.003, 0.9, None)
    assert (bit.batch_size, bit.weight_decay, bit.mixup) == (512, 0, 0.1)
    assert isinstance(bit.schedule, MultiStep)
    assert (bit.schedule.milestones, bit.schedule.gamma) == ((0.3, 0.6, 0.9), 0.1)
    # 10,000 steps, of which 500 warm up; CIFAR-100 has 45,000 training images
    assert bit.epochs == -(-10_000 // (45_000 // 512))
    assert bit.schedule.warmup == 500 / 10_000
    steps = load_recipe("pytorch-cifar100")
    assert (steps.epochs, steps.batch_size, steps.lr) == (200, 128, 0.1)
    assert (steps.momentum, steps.nesterov, steps.weight_decay) == (0.9, True, 0.0005)
    bsconv, half = load_recipe("bsconv"), load_recipe("bsconv-100")
    assert (bsconv.epochs, bsconv.batch_size, bsconv.lr) == (200, 128, 0.1)
    assert (bsconv.momentum, bsconv.nesterov, bsconv.weight_decay) == (0.9, None, 1e-4)
    # The source's rates: 0.1, and a tenth after 100, 150 and 180 of 200 epochs.
    ends = [99, 100, 149, 150, 179, 180]
    rates = [learning_rate(bsconv, at * 390, 390) for at in ends]
    assert rates == pytest.approx([0.1, 0.01, 0.01, 0.001, 0.001, 0.0001])
    assert half == bsconv.replace(epochs=100, name=half.name, title=half.title)


def test_a_file_bears_its_own_name_and_integers_are_numbers(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD.replace("0.1", "1")))
    assert recipe.name == "mine"
    assert recipe.lr == 1.0
    assert recipe.schedule == Cosine()


def test_the_table_holds_what_determines_training_in_one_form(tmp_path: Path) -> None:
    short = load_recipe(written(tmp_path, GOOD))
    long = GOOD + 'title = "x"\nname = "y"\nmomentum = 0\nnesterov = false\nweight_decay = 0\n'
    assert load_recipe(written(tmp_path, long)).to_dict() == short.to_dict()
    assert "title" not in short.to_dict()
    assert short.to_dict()["nesterov"] is False
    assert "betas" not in short.to_dict()
    assert "betas" in short.replace(optimizer="adam").to_dict()


def test_mixup_is_off_and_unsaid_but_where_a_recipe_asks_for_it() -> None:
    for name in shipped_recipes():
        recipe = load_recipe(name)
        assert bool(recipe.mixup) == (name == "bit-hyperrule")
        assert ("mixup" in recipe.to_dict()) == (name == "bit-hyperrule")
    assert load_recipe("quick").replace(mixup=0.2).to_dict()["mixup"] == 0.2


def test_other_optimizers_and_augmentations_are_unsaid_but_where_a_recipe_asks_for_them() -> None:
    plain = load_recipe("standard")
    assert not {"cutmix", "augment", "optimizer_options", "plugins"} & set(plain.to_dict())
    asked = plain.replace(
        augment=["TrivialAugmentWide", {"name": "RandomErasing", "options": {"p": 0.25}}],
        cutmix=1.0,
    )
    assert asked.to_dict()["augment"] == [
        {"name": "TrivialAugmentWide", "options": {}},
        {"name": "RandomErasing", "options": {"p": 0.25}},
    ]
    assert Recipe.model_validate(asked.model_dump(mode="json")) == asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": "nadams"}, "unknown optimizer 'nadams'; did you mean 'nadam'?"),
        (
            {"optimizer_options": {"damping": 1}},
            "unknown option of sgd 'damping'; did you mean",
        ),
        ({"optimizer_options": {"momentum": 1}}, "optimizer_options.momentum: is a key of the rec"),
        ({"optimizer_options": {"lr": 1}}, "unknown option of sgd 'lr'"),
        ({"augment": ["RandAugmnt"]}, "unknown augmentation 'RandAugmnt'; did you mean 'RandAugme"),
        ({"augment": [{"name": "RandomErasing", "options": {"q": 1}}]}, "option of RandomErasing"),
        ({"mixup": 0.2, "cutmix": 1.0}, "cutmix: mixup mixes the same batches"),
    ],
)
def test_a_part_that_there_is_not_is_one_line(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        load_recipe("standard").replace(**changes)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_replace_returns_a_checked_copy() -> None:
    recipe = load_recipe("standard")
    assert recipe.replace(lr=0.2).lr == 0.2
    assert recipe.lr == 0.05
    longer = recipe.with_epochs(7)
    assert (longer.epochs, longer.name) == (7, "standard epochs=7")
    with pytest.raises(InputError, match="epochs = 0: must be greater than or equal to 1"):
        recipe.with_epochs(0)


def test_every_shipped_recipe_may_be_cut_to_one_epoch() -> None:
    for name in shipped_recipes():
        assert load_recipe(name).with_epochs(1).epochs == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs = 10", "epochs = 0"), "epochs = 0: must be greater than or equal to 1"),
        (("epochs = 10", "epochs = 1.5"), "epochs = 1.5: must be a whole number"),
        (("epochs = 10", "epochs = true"), "epochs = true: must be a whole number"),
        (("epochs = 10", ""), "epochs: missing; it must be given"),
        (("0.1", '"yes"'), 'lr = "yes": must be a number'),
        (("0.1", "0"), "lr = 0: must be greater than 0"),
        (("0.1", "nan"), "lr = nan: must be a finite number"),
        (("sgd", "sdg"), "unknown optimizer 'sdg'; did you mean 'sgd'?"),
        (("lr =", "learning_rat ="), "unknown key 'learning_rat'"),
        (("lr =", "nestrov = true\nlr ="), "unknown key 'nestrov'; did you mean 'nesterov'?"),
        (
            ("lr =", "betas = [0.9, 0.99]\nlr ="),
            "betas: sgd takes none (those that do: adam, adamw",
        ),
        (("lr =", "nesterov = true\nlr ="), "nesterov = true: needs a momentum above 0"),
        (
            ('"sgd"', '"rprop"\nweight_decay = 0.1'),
            "weight_decay = 0.1: rprop takes none; use 0",
        ),
        (("lr =", "ema = 1\nlr ="), "ema = 1: must be less than 1"),
        (("lr =", "mixup = -1\nlr ="), "mixup = -1: must be greater than or equal to 0"),
        (("lr =", "schedule = 3\nlr ="), "schedule = 3: must be a table"),
    ],
)
def test_a_bad_value_is_one_line_with_file_key_value_and_rule(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {message}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ('kind = "cosin"', "unknown schedule.kind 'cosin'; did you mean 'cosine'?"),
        ("warmup = 1", "schedule.kind: missing"),
        ('kind = "cosine"\nwarm = 1', "schedule: unknown key 'warm'; did you mean 'warmup'?"),
        (
            'kind = "cosine"\nwarmup = 1.5',
            "schedule.warmup = 1.5: a share of the run lies in 0 to 1; epochs are whole numbers",
        ),
        ('kind = "cosine"\nwarmup = -1', "schedule.warmup = -1: must not be negative"),
        (
            'kind = "cosine"\nwarmup = 11',
            "schedule.warmup = 11: lies beyond the end, epoch 10; a share of the run (0 to "
            "1) never does",
        ),
        ('kind = "cosine"\nwarmup = "x"', 'schedule.warmup = "x": must be a whole number of'),
        ('kind = "cosine"\narc = "full"', "unknown schedule.arc 'full' (choices: half, quarter)"),
        ('kind = "multistep"', "schedule.milestones: missing"),
        ('kind = "multistep"\nmilestones = 3', "schedule.milestones = 3: must be a list"),
        ('kind = "multistep"\nmilestones = []', "schedule.milestones = []: "),
        ('kind = "multistep"\nmilestones = [0.5, "x"]', 'schedule.milestones[1] = "x": must be'),
        ('kind = "multistep"\nmilestones = [6, 3]', "schedule.milestones = [6, 3]: must rise"),
        ('kind = "multistep"\nmilestones = [60]', "schedule.milestones = 60: lies beyond the end"),
        ('kind = "multistep"\nmilestones = [1]\nwarmup = 2', "schedule.warmup = 2: must end"),
        ('kind = "onecycle"\nwarmup = 1', "schedule.warmup = 1: must be less than 1"),
    ],
)
def test_a_bad_schedule_is_named_by_its_dotted_key(
    schedule: str, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, f"{GOOD}\n[schedule]\n{schedule}\n")
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_syntax_errors_name_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path, "epochs = 10\nlr = = 3\n")
    with pytest.raises(InputError, match=r"mine\.toml: not valid TOML: .*line 2"):
        load_recipe(path)
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(InputError, match=r"mine\.toml: not UTF-8 text \(byte 9\)"):
        load_recipe(path)


def test_a_missing_recipe_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'standart'; did you mean 'standard'\?"):
        load_recipe("standart")
    with pytest.raises(InputError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_recipe("nowhere.toml")


def test_whole_numbers_count_epochs_and_fractions_are_shares() -> None:
    epochs = MultiStep(kind="multistep", milestones=(5, 8))
    recipe = Recipe(epochs=10, batch_size=1, optimizer="sgd", lr=1, schedule=epochs)
    with pytest.raises(InputError, match="milestones = 8: lies beyond the end, epoch 6"):
        recipe.replace(epochs=6)
    shares = recipe.replace(schedule={"kind": "multistep", "milestones": [0.5, 0.8]})
    assert shares.replace(epochs=6).epochs == 6


def test_a_recipe_with_a_base_says_what_it_changes(tmp_path: Path) -> None:
    path = written(tmp_path, 'base = "standard"\nepochs = 5\n')
    recipe = load_recipe(path)
    standard = load_recipe("standard")
    assert recipe.to_dict() == {**standard.to_dict(), "epochs": 5}
    assert recipe.name == "mine"
    assert recipe.title == standard.title
    second = tmp_path / "second.toml"
    second.write_text('base = "mine.toml"\ntitle = "Adam"\noptimizer = "adam"\nlr = 0.001\n')
    adam = load_recipe(second)
    assert (adam.epochs, adam.optimizer, adam.momentum, adam.title) == (5, "adam", None, "Adam")


def test_a_base_that_is_wrong_is_one_line_with_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, 'base = "mine.toml"\n')
    with pytest.raises(InputError, match=r"base: the recipes are each other's base"):
        load_recipe(path)
    path.write_text('base = "standart"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.toml: unknown recipe 'standart'; did you mean"):
        load_recipe(path)
    path.write_text('base = "standard"\nepoch = 3\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.toml: unknown key 'epoch'; did you mean 'epochs'"):
        load_recipe(path)


def test_the_name_of_a_changed_recipe_reads_as_toml() -> None:
    table = tomllib.loads(
        'schedule = { kind = "multistep", milestones = [1, 2] }\n'
        'augment = ["TrivialAugmentWide", { name = "RandomErasing", options = { p = 0.25 } }]\n'
        "nesterov = true\nlr = 0.1\n"
    )
    quick = load_recipe("quick")
    said = changes_of(changed(quick, table), quick)
    assert said == (
        'schedule={ kind = "multistep", milestones = [1, 2] } '
        'augment=["TrivialAugmentWide", { name = "RandomErasing", options = { p = 0.25 } }] '
        "nesterov=True lr=0.1"
    )


@pytest.mark.parametrize("name", OPTIMIZER_CLASSES)
def test_what_takes_weight_decay_is_known_without_torch(name: str) -> None:
    factory = OPTIMIZER_CLASSES[name]
    torchs = inspect.signature(resolved(factory)).parameters
    assert takes_weight_decay(factory) == ("weight_decay" in torchs)
