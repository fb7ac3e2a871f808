"""`train`, `baseline` and `quickstart` as a user runs them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.io.checked import checked
from fuseablate.runs.store import Store
from fuseablate.spec.spec import to_toml
from fuseablate.studies import Study, load_study
from fuseablate.studies.schema.study import DataSource
from tests.helpers.image_folder import images
from tests.helpers.paths import REPOSITORY
from tests.helpers.small_run import small_spec


@pytest.fixture
def small(tmp_path: Path) -> str:
    """Return the path of a network small enough to train in a test."""
    path = tmp_path / "small.toml"
    path.write_text(to_toml(small_spec()))
    return str(path)


def test_train_follows_the_data_and_trains_nothing_twice(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path / "pictures", classes=3, count=30)
    command = [
        "train", small, "--data", "folder", "--data-root", str(tmp_path / "pictures"),
        "--input", "16", "--epochs", "1", "--seeds", "0,1", "--runs", str(tmp_path / "runs"),
        "--recipe", str(tmp_path / "short.toml"), "--threads", "1",
    ]  # fmt: skip
    recipe = 'epochs = 1\nbatch_size = 27\noptimizer = "sgd"\nlr = 0.05\n'
    (tmp_path / "short.toml").write_text(recipe)
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "'pictures' has 3 classes, so the classifier has as many" in first
    assert first.count("epoch 1/1") == 2
    assert main(command) == 0
    again = capsys.readouterr().out
    assert "epoch 1/1" not in again
    assert len(Store(tmp_path / "runs").records()) == 2
    assert main([*command, "--quiet", "--seeds", "0,1,2"]) == 0
    assert "epoch 1/1" not in capsys.readouterr().out

    assert main(["report", "--runs", str(tmp_path / "runs"), "--json"]) == 0
    (comparison,) = json.loads(capsys.readouterr().out)
    assert [run["seed"] for run in comparison["variants"][0]["runs"]] == [0, 1, 2]


def test_a_run_is_tracked_where_that_is_asked_for(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    images(tmp_path / "pictures", classes=3, count=30)
    command = [
        "train", small, "--data", "folder", "--data-root", str(tmp_path / "pictures"),
        "--input", "16", "--epochs", "1", "--runs", str(tmp_path / "runs"), "--quiet",
        "--recipe", str(tmp_path / "short.toml"), "--wandb", "offline",
    ]  # fmt: skip
    recipe = 'epochs = 1\nbatch_size = 27\noptimizer = "sgd"\nlr = 0.05\n'
    (tmp_path / "short.toml").write_text(recipe)
    assert main(command) == 0
    (record,) = Store(tmp_path / "runs").records()
    (line,) = (tmp_path / "runs" / "wandb" / "delivered.jsonl").read_text().splitlines()
    assert json.loads(line) == {"key": record.digest, "what": "record", "mode": "offline"}


def test_classes_that_were_set_are_not_overruled(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path / "pictures", classes=3, count=30)
    command = [
        "train", small, "--set", "classes=7", "--data", "folder",
        "--data-root", str(tmp_path / "pictures"), "--input", "16",
        "--runs", str(tmp_path / "runs"),
    ]  # fmt: skip
    assert main(command) == 2
    assert "'pictures' has 3 classes; use classes=3" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["--seeds", "a"], "'a' is not a list of seeds; write whole numbers, such as 0,1,2"),
        (["--seeds", "0,0"], "'0,0' names a seed twice, or none; write each once, such as 0,1,2"),
        (["--seeds", "0-10000"], "'0-10000' is too much; at most 10,000 seeds are read"),
        (["--device", "cuda:99"], "device 'cuda:99': not available"),
        (["--recipe", "standrad"], "did you mean 'standard'?"),
        (["--data", "cifra100"], "did you mean 'cifar100'?"),
        (["--data", "cifar100", "--data-root", "/nowhere"], "/nowhere"),
        (["--input", "0"], "'0' is not a size"),
        (["--runs", "/proc/nowhere"], "cannot be written"),
    ],
)
def test_bad_flags_are_one_line_and_exit_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [] if "--runs" in arguments else ["--runs", str(tmp_path / "runs")]
    data = [] if "--data" in arguments else ["--data", "generated"]
    try:
        code = main(["baseline", *data, *where, *arguments])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else -1
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_baseline_is_the_published_table() -> None:
    from fuseablate.commands.program import parser

    args: argparse.Namespace = parser().parse_args(["baseline"])
    assert (args.spec, args.edits, args.data, args.recipe) == (
        "fusenet",
        [],
        "cifar100",
        "standard",
    )


def test_quickstart_says_that_its_data_are_generated_and_compares_all_variants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load_study(REPOSITORY / "studies" / "quickstart.toml")
    data = {"name": "generated", "classes": 20, "train_images": 10, "test_images": 1}
    small = dataclasses.replace(
        shipped,
        data=checked(DataSource, data),
        recipe=shipped.recipe.replace(epochs=1, batch_size=100),
    )

    def load(name: str) -> Study:
        assert load_study(name).path.resolve() == shipped.path.resolve()
        return small

    monkeypatch.setattr("fuseablate.studies.load_study", load)
    assert main(["quickstart", "--runs", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The data are generated: 20 classes")
    assert "done, 1 epoch, validation" in out
    table = out[out.index("Variant") : out.index("Runs")]
    for variant in ("baseline", "all.se=false", "fuse.variant=half", "fuse.op=mbconv"):
        assert variant in table
    assert len(Store(tmp_path).records()) == 8


def test_the_size_of_the_images_is_the_datas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "generated", "--runs", str(tmp_path / "runs")]
    assert main(["train", "shiftnet", "--set", "scale.resolution=x0.5", *words]) == 2
    error = capsys.readouterr().err
    assert "edit 'scale.resolution=x0.5': the data's images are 32x32" in error
    assert not (tmp_path / "runs").exists()
