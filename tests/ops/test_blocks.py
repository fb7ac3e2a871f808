"""Blocks of the literature against timm's and torchvision's modules, and fvcore's count of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.layers.coord_attn import CoordAttn
from timm.layers.eca import EcaModule
from timm.models.ghostnet import GhostModule
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlock
from torchvision.models.shufflenetv2 import InvertedResidual

from fuseablate import InputError, Spec, build, load_spec
from fuseablate.layers import canonical
from fuseablate.network.builder import to_module
from fuseablate.network.stacking import stacked
from fuseablate.ops import OPS, Settings
from tests.helpers.references import check_costs, converted, randomise

SHAPE = (16, 9, 11)
SETTINGS = Settings(classes=10, dropout=0.0, norm_eps=1e-5)
CASES: list[tuple[str, dict[str, Any], Callable[[], nn.Module], tuple[str, ...]]] = [
    ("ghost", {"out": 24}, lambda: GhostModule(16, 24), ()),
    (
        "ghost",
        {"out": 24, "ratio": 3, "kernel": 3, "stride": 2, "cheap_kernel": 5},
        lambda: GhostModule(16, 24, 3, ratio=3, dw_size=5, stride=2),
        (),
    ),
    ("eca", {}, lambda: EcaModule(16), ()),
    ("eca", {"kernel": 5}, lambda: EcaModule(kernel_size=5), ()),
    ("coordinate", {}, lambda: CoordAttn(16, rd_channels=8, bias=True), ()),
    ("shuffle", {"out": 16}, lambda: InvertedResidual(16, 16, 1), ()),
    ("shuffle", {"out": 40, "stride": 2}, lambda: InvertedResidual(16, 40, 2), ()),
    (
        "convnext",
        {"scale": 0.1},
        lambda: CNBlock(16, 0.1, 0.0, lambda width: nn.LayerNorm(width, eps=1e-5)),
        ("layer_scale",),
    ),
]


@pytest.mark.parametrize(("op", "values", "make", "last"), CASES)
def test_the_same_function(
    op: str, values: dict[str, Any], make: Callable[[], nn.Module], last: tuple[str, ...]
) -> None:
    reference = make()
    randomise(reference)
    ours = to_module(OPS[op].from_values("1", values).layers(SHAPE, SETTINGS))
    ours.load_state_dict(converted(ours, reference.state_dict(), last))
    x = torch.randn(2, *SHAPE)
    for training in (False, True):
        expected = reference.train(training)(x.clone())
        assert torch.allclose(ours.train(training)(x), expected, rtol=1e-4, atol=1e-4)


def test_a_blueprint_convolution_is_one_of_low_rank_kernels() -> None:
    """Each dense kernel is a share of one kernel a channel (Haase and Amthor, section 3)."""
    layer = OPS["bsconv"].from_values("1", {"out": 24, "norm": "none", "nl": "identity"})
    module = to_module(layer.layers(SHAPE, SETTINGS))
    first, second, filters = module.parameters()
    assert first.shape[:2] == (4, 16)  # a quarter of what comes in
    dense = torch.einsum("om,mi,oxhw->oihw", second[:, :, 0, 0], first[:, :, 0, 0], filters)
    x = torch.randn(2, *SHAPE)
    assert torch.allclose(module(x), F.conv2d(x, dense, padding=1), atol=1e-4)
    form = OPS["conv"].from_values("1", {"kernel": 3, "out": 24, "spatial": "blueprint"})
    shaped = form.layers(SHAPE, SETTINGS).infer(SHAPE)
    assert shaped == layer.layers(SHAPE, SETTINGS).infer(SHAPE)


def test_the_width_of_channel_attention_is_the_papers() -> None:
    # Equation 12: 3 for 64 channels (7 / 2), 5 for 256 (9 / 2 = 4.5, and 4 is even), 7 for 4096.
    row = OPS["eca"].from_values("1", {})
    assert [row.kernel_text((c, 8, 8)) for c in (64, 256, 4096)] == ["3", "5", "7"]


ROWS: list[dict[str, Any]] = [
    {"op": "conv", "kernel": 3, "out": 16, "stride": 2, "norm": "batch", "nl": "relu"},
    {"op": "eca"},
    {"op": "ghost", "out": 24},
    {"op": "shuffle", "out": 40, "stride": 2, "depth": 2},
    {"op": "coordinate"},
    {"op": "bsconv", "out": 32},
    {"op": "convnext", "scale": 0.1},
    {"op": "pool"},
    {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
]
ALL = {"name": "all", "input": 24, "classes": 10, "rows": ROWS}


@pytest.mark.parametrize(
    "edits",
    [
        (),
        ("all.norm=layer",),
        ("all.depthwise=fuse_half",),
        ("3.filter=fuse_half", "6.op=conv"),
        ("3.depth=3", "3.stride=2", "6.depth=2"),
    ],
)
def test_fvcore_counts_what_the_layers_say(edits: tuple[str, ...]) -> None:
    check_costs(Spec.from_dict(ALL).edit(*edits))


class Gated(nn.Module):
    """MobileNetV2's block with a gate behind its filter, before the activation."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(16, 48, 1, bias=False), nn.BatchNorm2d(48))
        self.filter = nn.Sequential(
            nn.Conv2d(48, 48, 3, 2, 1, groups=48, bias=False), nn.BatchNorm2d(48)
        )
        self.gate = gate
        self.project = nn.Sequential(nn.Conv2d(48, 24, 1, bias=False), nn.BatchNorm2d(24))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gated = self.gate(self.filter(F.relu(self.expand(x))))
        y: torch.Tensor = self.project(F.relu(gated))
        return y


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("eca", lambda: EcaModule(48)),
        ("coordinate", lambda: CoordAttn(48, rd_channels=8, bias=True)),
    ],
)
def test_attention_inside_a_block(kind: str, make: Callable[[], nn.Module]) -> None:
    reference = Gated(make())
    randomise(reference)
    values = {"kernel": 3, "exp": 48, "out": 24, "stride": 2, "se": True, "nl": "relu"}
    row = OPS["mbconv"].from_values("1", {**values, "se_kind": kind})
    ours = to_module(row.layers(SHAPE, SETTINGS))
    ours.load_state_dict(converted(ours, reference.state_dict()))
    x = torch.randn(2, *SHAPE)
    for training in (False, True):
        expected = reference.train(training)(x.clone())
        assert torch.allclose(ours.train(training)(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["eca", "coordinate"])
def test_the_kind_of_all_gates_is_one_edit(kind: str) -> None:
    """It leaves the rows without a gate as they are, whatever the block and the place."""
    for name in ("fusenet", "mobilenet_v3_small_cifar_x0_35", "regnet_y_400mf"):
        spec = load_spec(name)
        edited = spec.edit(f"all.se_kind={kind}")
        check_costs(edited, (64, 64))
        gates = [row.row.values().get("se") for row in spec.infer((64, 64))]
        changed = [
            before.layer != after.layer
            for before, after in zip(spec.infer((64, 64)), edited.infer((64, 64)), strict=True)
        ]
        assert changed == [bool(gate) for gate in gates]
    with pytest.raises(InputError, match=r"edit 'all.se_kind=\w+': changes nothing"):
        load_spec("fusenet").edit("all.se=false").edit(f"all.se_kind={kind}")


@torch.no_grad()
def test_several_runs_of_them_are_one_network() -> None:
    spec = Spec.from_dict(ALL)
    runs = [build(spec, seed=seed).eval() for seed in range(3)]
    for seed, run in enumerate(runs):
        randomise(run, seed)
    images = torch.randn(2, 3, 24, 24)
    expected = torch.cat([run(images) for run in runs], 1)
    network = stacked(spec.layers(), runs).eval()
    scale = expected.abs().max().item()
    assert torch.allclose(
        network(images.repeat(1, 3, 1, 1)), expected, rtol=1e-4, atol=1e-5 * scale
    )


def test_filters_whose_pair_would_double_the_channels_say_so() -> None:
    spec = Spec.from_dict(ALL)
    with pytest.raises(
        InputError, match=r"row 3: filter=fuse puts out twice .* use filter=fuse_ha"
    ):
        spec.edit("all.depthwise=fuse")
    wide = spec.edit("shuffle.depthwise=fuse", "convnext.depthwise=fuse")
    check_costs(wide)
    assert canonical(wide.layers()).count("row=Seq(") == 4
