"""`fuseablate export`: what onnxruntime computes from the file, compared with torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from fuseablate import InputError, Spec, Store, build, load_spec, load_weights
from fuseablate.commands.program import main
from fuseablate.network.onnx_file import onnx_file
from fuseablate.runs import Failure, Record
from fuseablate.runs.weights import trained_network
from fuseablate.spec import to_toml
from tests.helpers.records import plain_record, put
from tests.helpers.small_run import small_spec, train_small


def logits(path: Path, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def assert_equal(path: Path, network: nn.Module, size: tuple[int, int]) -> None:
    for count in (1, 7):  # the batch is free
        images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(5))
        with torch.no_grad():
            expected = network.eval()(images)
        assert expected.std() > 0
        close = 1e-4 * expected.abs().max().item()
        assert torch.allclose(logits(path, images), expected, rtol=1e-4, atol=close)


@pytest.mark.parametrize(
    ("name", "words", "edits", "seed"),
    [
        ("fusenet", ("--input", "32x48", "--seed", "3"), (), 3),
        (
            "resnet18:cifar",
            ("--set", "all.se=true 3.spatial=fuse"),
            ("all.se=true", "3.spatial=fuse"),
            0,
        ),
    ],
)
def test_a_spec(
    name: str,
    words: tuple[str, ...],
    edits: tuple[str, ...],
    seed: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "net.onnx"
    assert main(["export", name, "--onnx", str(path), *words]) == 0
    assert "onnxruntime equals torch" in capsys.readouterr().out
    size = (32, 48) if seed else (32, 32)
    spec = load_spec(name).edit(*edits)
    assert_equal(path, build(spec, seed=seed, size=size), size)
    about = json.loads(onnx.load(str(path)).metadata_props[0].value)
    assert about["network"] == spec.digest(size)
    assert about["edits"] == list(edits)


def test_every_op_that_brings_layers_of_its_own() -> None:
    """Channel shuffles, slices, gates, layer norms: each as onnxruntime has it."""
    spec = Spec.from_dict(
        {
            "input": 16,
            "classes": 10,
            "rows": [
                {"op": "conv", "kernel": 3, "out": 16, "norm": "batch", "nl": "relu"},
                {"op": "ghost", "out": 16},
                {"op": "bsconv", "kernel": 3, "out": 16},
                {"op": "shuffle", "out": 32, "stride": 2},
                {"op": "shuffle", "out": 32},
                {"op": "eca"},
                {"op": "coordinate"},
                {"op": "convnext"},
                {"op": "pool"},
                {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
            ],
        }
    )
    _, difference = onnx_file(build(spec), (16, 16), {})
    assert difference < 1e-4


def test_a_trained_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "runs"
    train_small(root, tmp_path / "diary", epochs=1)
    (record,) = Store(root).records()
    path = tmp_path / "run.onnx"
    words = ["export", record.digest[:6], "--runs", str(root), "--onnx", str(path)]
    assert main(words) == 0
    network = build(small_spec(), size=(16, 16))
    network.load_state_dict(load_weights(root / record.digest[:16] / "weights.pt"))
    assert_equal(path, network, (16, 16))
    about = json.loads(onnx.load(str(path)).metadata_props[0].value)
    assert about["run"] == record.digest
    assert len(about["classes"]) == 4
    capsys.readouterr()
    assert main([*words, "--seed", "1"]) == 2
    assert "a run is trained: it takes no --set and no --seed\n" in capsys.readouterr().err


def test_a_pooling_that_onnx_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"op": "pool", "size": 3}, {"op": "conv", "kernel": 3, "padding": 0, "out": "classes"}]
    spec = Spec.from_dict({"name": "tiny", "input": [6, 9], "classes": 2, "rows": rows})
    path = tmp_path / "tiny.toml"
    path.write_text(to_toml(spec), encoding="utf-8")
    words = ["export", str(path), "--onnx", str(tmp_path / "net.onnx")]
    assert main(words) == 0  # each of 3x3 numbers is the mean of 2x3
    assert_equal(tmp_path / "net.onnx", build(spec), (6, 9))
    capsys.readouterr()
    assert main([*words, "--input", "6x8"]) == 2
    said = capsys.readouterr()
    assert "row 1: ONNX has no pooling of a 6x8 map to 3x3; use an input whose map" in said.err
    assert said.out == ""


class Determinant(nn.Module):
    """A network of an operator that ONNX does not have."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logarithms: torch.Tensor = torch.linalg.slogdet(x)[1]
        return logarithms


def test_an_operator_that_onnx_does_not_have() -> None:
    with pytest.raises(InputError, match=r"^torch cannot write the network as ONNX: .*slogdet"):
        onnx_file(Determinant(), (8, 8), {})


class Fickle(nn.Module):
    """A network that computes something else at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x.mean((2, 3)) * self.calls


def test_there_is_no_file_where_they_differ() -> None:
    with pytest.raises(
        InputError,
        match=r"^onnxruntime differs from torch by .* of the largest logit, more than 1e-04; noth",
    ):
        onnx_file(Fickle(), (8, 8), {})


class Unbounded(nn.Module):
    """A network whose logits are not finite: on every image, or on a batch of three."""

    def __init__(self, images: int, value: float) -> None:
        super().__init__()
        self.images, self.value = images, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.mean((2, 3))
        return means * self.value if len(x) >= self.images else means


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_network_is_equal_to_numbers_that_are_none(images: int, value: float) -> None:
    with pytest.raises(
        InputError, match=r"own logits .* not finite: there is nothing to compare with"
    ):
        onnx_file(Unbounded(images, value), (8, 8), {})


def test_a_deep_network_of_standardised_weights_overflows_before_its_norms_have_seen_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """42 layers of 1x1 and 3x3, each of a gain of sqrt(fan-in): 10^80 is beyond float32."""
    path = tmp_path / "net.onnx"
    words = ["export", "densenet_bc_100_12", "--onnx", str(path), "--set"]
    assert main([*words, "all.weight_std=true"]) == 2
    assert "export a trained run, or use all.norm=group)\n" in capsys.readouterr().err
    assert main([*words, "all.weight_std=true all.norm=group"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnt18",), "did you mean 'resnet18'?"),
        (("abcdef", "--runs", "nowhere"), "'abcdef': nowhere holds no run"),
        (("fusenet", "--onnx", "no/such/folder/x.onnx"), "there is no folder"),
        (("fusenet", "--set", "all.se=maybe"), "'maybe' is not true or false"),
    ],
)
def test_bad_input_is_one_line(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--onnx", "x.onnx", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_missing_library_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "net.onnx"
    assert main(["export", "fusenet", "--input", "32", "--onnx", str(path)]) == 2
    err = capsys.readouterr().err
    assert f"export needs {name}, which is not installed: pip install 'fuseablate[export]'" in err
    assert err.count("\n") == 1
    assert not path.exists()


def test_runs_whose_network_there_is_not(tmp_path: Path) -> None:
    def refused(record: Record) -> str:
        with pytest.raises(InputError) as error:
            trained_network(store, record)
        return str(error.value)

    store, record = Store(tmp_path), plain_record()
    folder = put(store, record).parent
    failure = Failure(step=7, epoch=1, lr=0.1, loss="nan", part="training")
    failed = plain_record(status="failed", val=None, test=None, failure=failure)
    assert refused(failed) == f"run {folder}: failed, and has no weights"
    torch.save({"a": torch.ones(1)}, folder / "weights.pt")
    assert refused(record) == "the spec needs a value for 'input'"
    table = {**small_spec().to_dict(), "rows": [{"id": "1", "op": "mine"}]}
    said = refused(plain_record(spec=table, plugins=("mine.py", "yours")))
    assert said.startswith(f"run {folder}: needs mine.py and yours (--plugin loads it): row 1: ")
    whole = plain_record(spec=small_spec().to_dict())
    assert refused(whole) == f"{folder}/weights.pt: holds the weights of another network"


def test_weights_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    for content in (b"", b"no weights"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a file of weights"):
            load_weights(path)
    torch.save({"a": 3}, path)
    with pytest.raises(InputError, match=r"holds no state dict, which has a tensor for each name$"):
        load_weights(path)
    torch.save({"a": 1}, path)
    with pytest.raises(InputError, match="holds no state dict"):
        load_weights(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_weights(tmp_path / "none.pt")
