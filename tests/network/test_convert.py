"""`fuseablate convert`: published weights under our names compute what the library computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from fuseablate import build, load_spec, load_weights
from fuseablate.commands.program import main
from tests.helpers.references import randomise


def saved(network: nn.Module, path: Path) -> nn.Module:
    randomise(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return network.eval()


def assert_same(theirs: nn.Module, weights: dict[str, Tensor], name: str, classes: int) -> None:
    ours = build(load_spec(name).with_classes(classes)).eval()
    ours.load_state_dict(weights)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(images)
        y = ours(images)
    assert expected.std(dim=0).max() > 0
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_what_torchvision_has_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    weights = torchvision.models.get_model_weights("squeezenet1_1").DEFAULT
    kept = tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2]
    theirs = saved(torchvision.models.squeezenet1_1(), kept)
    assert main(["convert", "torchvision:squeezenet1_1"]) == 0
    assert "under the names of squeezenet1_1, 1000 classes" in capsys.readouterr().out
    path = tmp_path / "squeezenet1_1.pt"
    assert_same(theirs, load_weights(path), "squeezenet1_1", 1000)
    assert main(["show", "--weights", str(path)]) == 0


@pytest.mark.parametrize(
    ("what", "make", "name"),
    [
        (
            "torchvision:regnet_y_400mf",
            lambda: torchvision.models.regnet_y_400mf(num_classes=7),
            "regnet_y_400mf",
        ),
        ("timm:resnet18", lambda: timm.create_model("resnet18", num_classes=7), "resnet18"),
        (
            "timm:mobilenetv1_100",
            lambda: timm.create_model("mobilenetv1_100", num_classes=7),
            "mobilenet_v1",
        ),
    ],
)
def test_a_state_dict_of_other_classes(
    what: str, make: Callable[[], nn.Module], name: str, tmp_path: Path
) -> None:
    theirs = saved(make(), tmp_path / "state.pt")
    out = tmp_path / "ours.pt"
    assert main(["convert", what, "--state", str(tmp_path / "state.pt"), "--output", str(out)]) == 0
    assert_same(theirs, load_weights(out), name, 7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_are_float32_whatever_the_state_dict_has(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    theirs = saved(torchvision.models.resnet18(num_classes=3), tmp_path / "whole.pt")
    kept = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in theirs.state_dict().items()
    }
    torch.save(kept, tmp_path / "state.pt")
    words = ["--state", str(tmp_path / "state.pt"), "--output", str(tmp_path / "ours.pt")]
    assert main(["convert", "torchvision:resnet18", *words]) == 0
    weights = load_weights(tmp_path / "ours.pt")
    assert {t.dtype for t in weights.values()} == {torch.float32, torch.int64}
    theirs.load_state_dict(kept)
    assert_same(theirs, weights, "resnet18", 3)


@pytest.mark.parametrize(("name", "rows"), [("googlenet", "10, 14"), ("inception_v3", "14")])
def test_a_state_dict_without_auxiliary_heads(
    name: str, rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As torchvision has them once it has loaded its weights: the heads are gone."""
    make = getattr(torchvision.models, name)
    theirs = saved(make(aux_logits=False, init_weights=False, num_classes=7), tmp_path / "s.pt")
    out = tmp_path / "ours.pt"
    words = [
        "convert",
        f"torchvision:{name}",
        "--state",
        str(tmp_path / "s.pt"),
        "--output",
        str(out),
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"auxiliary heads that it lacks have initial values: row {rows}\n" in said
    weights = load_weights(out)
    ours = build(load_spec(name).with_classes(7))
    first = ours.state_dict()
    heads = [key for key in first if key.split(".")[1] in rows.split(", ")]
    assert heads
    assert all(torch.equal(weights[key], first[key]) for key in heads)
    ours.load_state_dict(weights)
    images = torch.randn(1, 3, *load_spec(name).input)
    with torch.no_grad():
        expected = theirs(images)
        torch.testing.assert_close(
            ours.eval()(images), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item()
        )
    # A state dict that lacks anything else is still another network's.
    state = theirs.state_dict()
    del state["fc.bias"]
    torch.save(state, tmp_path / "s.pt")
    assert main(words) == 2


def test_one_line_for_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state, out = str(tmp_path / "state.pt"), str(tmp_path / "ours.pt")
    other = str(tmp_path / "swish.toml")  # the same tensors, and another function
    Path(other).write_text('base = "resnet18"\nedits = ["all.nl=swish"]\n')
    saved(torchvision.models.resnet18(), Path(state))
    number = str(tmp_path / "number.pt")
    torch.save({"fc.bias": torch.tensor(1.0)}, number)
    lone = str(tmp_path / "lone.pt")
    torch.save({"fc.bias": torch.ones(1)}, lone)
    zeros = str(tmp_path / "zeros.pt")
    torch.save({name: 0 * tensor for name, tensor in torch.load(state).items()}, zeros)
    for words, message in [
        (["torchvision:resnet18", "--state", number], "it ends in a single number"),
        (
            ["torchvision:resnet18", "--state", lone],
            "the state dict of torchvision:resnet18: classes: 1 is too small",
        ),
        (["torchvision:resnet18", "--state", zeros], "with this state dict its logits are all 0"),
        (["torchvison:resnet18"], "'torchvison:resnet18' names no library's network, as t"),
        (["torchvision:resnet19"], "unknown network of torchvision 'resnet19'; did you mean 're"),
        (["timm:resnet18s"], "unknown network of timm 'resnet18s'; did you mean 'resnet18"),
        (["torchvision:wide_resnet50_2"], "has no shipped table; name yours with --spec"),
        (["torchvision:resnet34", "--state", state], "is not that of torchvision:resnet34"),
        (["torchvision:resnet18", "--state", str(tmp_path / "no.pt")], "no.pt: cannot be read"),
        (
            ["torchvision:resnet18", "--state", state, "--spec", "resnet50"],
            "the networks are not the same",
        ),
        (
            ["torchvision:resnet18", "--state", state, "--spec", other],
            "differ by",
        ),
    ]:
        assert main(["convert", *words, "--output", out]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert not Path(out).exists()
    assert main(["convert", "timm:resnet18", "--state", state, "--output", "no/such/o.pt"]) == 2
    assert "there is no folder" in capsys.readouterr().err
