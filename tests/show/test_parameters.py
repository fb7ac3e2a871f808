"""`fuseablate show --params` and `--weights`: names and shapes as torch has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from fuseablate import build, load_spec, measure
from fuseablate.commands.program import main
from fuseablate.network.builder import to_module
from fuseablate.runs.store import Store
from fuseablate.show.parameters import parameters_of
from fuseablate.spec.catalog import shipped_specs
from fuseablate.spec.spec import Spec
from fuseablate.training import checkpoint
from tests.helpers.small_run import small_spec, train_small


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("fusenet", ()),
        ("fusenet", ("fuse.op=mbconv", "all.se_bias=true", "fuse.norm=group")),
        ("resnet18", ("basic.spatial=fuse", "6.shortcut=pad")),
        ("resnet50", ("bottle.weight_std=true", "all.se=true")),
    ],
)
def test_names_and_shapes_are_torchs(name: str, edits: tuple[str, ...]) -> None:
    spec = load_spec(name).edit(*edits)
    with torch.device("meta"):
        expected = [(n, tuple(p.shape)) for n, p in network_of(spec).named_parameters()]
    assert [(parameter.name, parameter.shape) for parameter in parameters_of(spec)] == expected


def network_of(spec: Spec) -> torch.nn.Module:
    return to_module(spec.layers())


@pytest.mark.parametrize("name", shipped_specs())
def test_they_add_up_to_the_cost(name: str) -> None:
    spec = load_spec(name)
    assert sum(parameter.count for parameter in parameters_of(spec)) == measure(spec).params


def test_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "resnet18", "--params"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == "rows.1.conv.weight 64x3x7x7 9,408"
    assert lines[-2].endswith("bias 1000 1,000")
    # torchvision's resnet18 has 62 tensors
    assert lines[-1] == "11,689,512 params in 62 tensors"
    assert len(lines) == 62 + 2


def test_statistics_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    path = tmp_path / "net.pt"
    # mean 1, variance (9 + 1 + 1 + 9 + 0) / 5 = 4, and one of five values is near zero
    state = {
        "a.weight": torch.tensor([-2.0, 0.0, 2.0, 4.0, 1.0]),
        "a.bias": torch.ones(3),
        "a.count": torch.tensor(3),
    }
    torch.save(state, path)
    assert main(["show", "--weights", str(path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == "a.weight 5 1 2 -2 4 20.0 %"
    assert len(lines) == 4
    assert main(["show", "--weights", str(path), "--all"]) == 0
    assert "a.bias 3 1 0 1 1 0.0 %" in " ".join(capsys.readouterr().out.split())


def test_a_run_ended_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    root = tmp_path / "runs"
    train_small(root, tmp_path / "diary", epochs=1)
    (record,) = Store(root).records()
    words = ["show", "--runs", str(root), "--weights", record.digest[:8]]
    assert main(words) == 0
    out = capsys.readouterr().out
    weights = [name for name in build(small_spec()).state_dict() if name.endswith(".weight")]
    assert [line.split()[0] for line in out.splitlines()[2:-1]] == weights
    folder = Store(root).folder(record.digest)
    (folder / "weights.pt").unlink()
    assert main(words) == 2
    assert "has neither weights.pt nor checkpoint.pt" in capsys.readouterr().err
    with Store(root).open(record.digest) as held:
        state = {"network": build(small_spec()).state_dict(), "average": None}
        checkpoint.save(held, record.digest, state)
    assert main(words) == 0
    assert "checkpoint.pt" in capsys.readouterr().out
    shutil.copytree(folder, root / f"{record.digest[:8]}00000000")
    assert main(words) == 2
    assert "2 runs of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "show needs a spec"),
        (
            ("fusenet", "--weights", "x.pt"),
            "--weights shows a run or a file as it is, without a spec, --set, --input or --check\n",
        ),
        (("--weights", "x.pt"), "x.pt: cannot be read"),
        (("--weights", "abc", "--runs", "none"), "'abc': none holds no run"),
    ],
)
def test_bad_input_is_one_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"",
        {1: torch.ones(2)},
        {"weight": "text"},
        {"weight": torch.zeros(0)},
        {"weight": torch.eye(2).to_sparse()},
        {"weight": torch.ones(2, device="meta")},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "words", [["show", "--weights"], ["convert", "torchvision:alexnet", "--state"]]
)
def test_a_file_of_no_weights_is_one_line(
    words: list[str], content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    assert main([*words, str(path)]) == 2
    out, error = capsys.readouterr()
    assert f"{path}: " in error
    assert error.count("\n") == 1
    assert out == ""
