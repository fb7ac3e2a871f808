"""Blocks against modules that are written here after their sources."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fuseablate import build, load_spec
from fuseablate.layers import Act
from fuseablate.network.builder import to_module
from fuseablate.ops import Settings
from fuseablate.ops.conv import ConvRow
from fuseablate.spec.spec import Spec
from tests.helpers.source_modules import Hsigmoid, Hswish, ReferenceFuse, SEModule, weights_in_order


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec("fusenet")


def both(ours: nn.Module, theirs: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs of both and gradients at the input, for the same random gradient behind them."""
    outputs, gradients = [], []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = module(leaf * 1)  # times 1: in-place modules may not write on a leaf
        y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y))
        assert leaf.grad is not None
        outputs.append(y.detach())
        gradients.append(leaf.grad)
    return outputs[0], outputs[1], gradients[0], gradients[1]


# torch's backward of the hard sigmoid keeps 1/6 in float32, in float64 too: off by 5e-9.
SIXTH = 1e-8


@pytest.mark.parametrize(("kind", "source"), [("hswish", Hswish()), ("hsigmoid", Hsigmoid())])
def test_torchs_own_functions_are_the_sources(kind: str, source: nn.Module) -> None:
    # Steps of 0.01 that miss the kinks at -3 and 3, where a gradient may be either side's.
    x = torch.arange(-800, 800, dtype=torch.float64) / 100 + 0.005
    ours, theirs, grad, grad_theirs = both(to_module(Act(kind)), source, x)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-14)
    assert torch.allclose(grad, grad_theirs, rtol=0, atol=SIXTH)


@pytest.mark.parametrize("channels", [12, 64])
def test_squeeze_excite_is_the_sources_module(channels: int) -> None:
    torch.manual_seed(0)
    settings = Settings(classes=10, dropout=0.0)
    gate = ConvRow(id="1", kernel=1, out=channels, se=True).gate(channels, channels, settings)
    assert gate is not None
    ours = to_module(gate).double()
    theirs = SEModule(channels).double()
    weights = list(theirs.parameters())
    assert [p.shape for p in ours.parameters()] == [p.shape for p in weights]
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), weights, strict=True):
            # Gates from 0 to 1, both clamps included.
            mine.copy_(other.normal_(0, 2))
    x = torch.randn(3, channels, 5, 4, dtype=torch.float64)
    y, y_theirs, grad, grad_theirs = both(ours, theirs, x)
    assert torch.allclose(y, y_theirs, atol=1e-12)
    assert torch.allclose(grad, grad_theirs, rtol=1e-6, atol=1e-7)
    for mine, other in zip(ours.parameters(), weights, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, rtol=1e-6, atol=1e-7)


NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hswish": Hswish(),
    "swish": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "identity": lambda x: x,
}


@pytest.mark.parametrize("nl", NONLINEARITIES)
def test_each_non_linearity_in_the_stem(nl: str, spec: Spec) -> None:
    edits = ["1.norm=none"] if nl == "hswish" else [f"1.nl={nl}", "1.norm=none"]
    network = build(spec.edit(*edits))
    stem = network.get_submodule("rows.1")
    x = torch.randn(2, 3, 8, 8) * 4
    weight = network.get_parameter("rows.1.conv.weight")
    expected = NONLINEARITIES[nl](F.conv2d(x, weight, stride=2, padding=1))
    assert torch.allclose(stem(x), expected, atol=1e-6)


S, R = Hswish(), nn.ReLU()

BLOCKS = {
    "row 2": ([], "2", ReferenceFuse(16, 16, 16, 3, 2, se=True, nl=R)),
    "row 3": ([], "3", ReferenceFuse(16, 72, 24, 3, 2, se=False, nl=R)),
    "row 6": ([], "6", ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S)),
    "row 10": ([], "10", ReferenceFuse(48, 288, 96, 5, 2, se=True, nl=S)),
    "half": (
        ["fuse.variant=half"],
        "6",
        ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S, halves=True),
    ),
    "residual": (
        ["fuse.residual=true"],
        "6",
        ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S, residual=True),
    ),
    "half residual": (
        ["fuse.residual=true", "fuse.variant=half"],
        "4",
        ReferenceFuse(24, 88, 24, 3, 1, se=False, nl=R, halves=True, residual=True),
    ),
    "residual passed over": (
        ["fuse.residual=true"],
        "8",
        ReferenceFuse(40, 120, 48, 5, 1, se=True, nl=S),
    ),
    "se after nl": (
        ["fuse.se_place=after_nl"],
        "6",
        ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S, se_place="after_nl"),
    ),
    "se after project": (
        ["fuse.se_place=after_project"],
        "6",
        ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S, se_place="after_project"),
    ),
    "no expansion where exp equals in": (
        ["fuse.expand=wider"],
        "2",
        ReferenceFuse(16, 16, 16, 3, 2, se=True, nl=R, expand=False),
    ),
    "expansion kept where exp is wider": (
        ["fuse.expand=wider"],
        "5",
        ReferenceFuse(24, 96, 40, 5, 2, se=True, nl=S),
    ),
    "no expansion, residual": (
        ["4.exp=24", "4.residual=true", "4.expand=wider"],
        "4",
        ReferenceFuse(24, 24, 24, 3, 1, se=False, nl=R, expand=False, residual=True),
    ),
    "second nl": (
        ["fuse.nl2=relu6"],
        "6",
        ReferenceFuse(40, 240, 40, 5, 1, se=True, nl=S, nl2=nn.ReLU6()),
    ),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", BLOCKS)
def test_a_fuse_row_is_the_block_of_the_design(case: str, fast: bool, spec: Spec) -> None:
    edits, row, reference = BLOCKS[case]
    block = build(spec.edit(*edits), seed=1, fast=fast).get_submodule(f"rows.{row}").double()
    reference = reference.double()
    names = ["expand", "row", "column", "0", "2", "project"]
    theirs = sorted(
        (
            (n, m.weight)
            for n, m in reference.named_modules()
            if isinstance(m, nn.Conv2d | nn.Linear)
        ),
        key=lambda pair: names.index(pair[0].split(".")[-1]),
    )
    ours = weights_in_order(block)
    if case == "se after project":  # its SE comes last in ours
        ours = [*ours[:3], *ours[4:], ours[3]]
    assert [w.shape for _, w in theirs] == [w.shape for w in ours]
    torch.manual_seed(1)
    with torch.no_grad():
        for (_, their), our in zip(theirs, ours, strict=True):
            our.normal_(0, 0.3)
            their.copy_(our)
    for side in (6, 1):
        cin = {"2": 16, "3": 16, "4": 24, "5": 24, "10": 48}.get(row, 40)
        x = torch.randn(4, cin, side, side, dtype=torch.float64)
        y, y_theirs, grad, grad_theirs = both(block.train(), reference.train(), x)
        assert torch.allclose(y, y_theirs, atol=1e-10)
        assert (grad - grad_theirs).abs().max() <= 1e-6 * grad_theirs.abs().max() + SIXTH


def test_the_other_order_swaps_the_channels_only(spec: Spec) -> None:
    first = build(spec).get_submodule("rows.3.depthwise").eval()
    other = build(spec.edit("fuse.order=Kx1,1xK")).get_submodule("rows.3.depthwise").eval()
    x = torch.randn(2, 72, 6, 6)
    y, swapped = first(x), other(x)
    assert y.shape == (2, 144, 3, 3)
    assert torch.equal(torch.cat([y[:, 72:], y[:, :72]], 1), swapped)
    assert not torch.equal(y, swapped)


def test_mbconv_is_one_depthwise_convolution(spec: Spec) -> None:
    block = build(spec.edit("6.op=mbconv")).get_submodule("rows.6").eval().double()
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert [tuple(c.weight.shape) for c in convs] == [
        (240, 40, 1, 1),
        (240, 1, 5, 5),
        (40, 240, 1, 1),
    ]
    linears = [m.weight for m in block.modules() if isinstance(m, nn.Linear)]
    assert [tuple(w.shape) for w in linears] == [(60, 240), (240, 60)]
    x = torch.randn(2, 40, 7, 7, dtype=torch.float64)
    scale = (1 + 1e-5) ** 0.5  # BN in eval mode with fresh statistics
    y = Hswish()(F.conv2d(x, convs[0].weight) / scale)
    y = F.conv2d(y, convs[1].weight, padding=2, groups=240) / scale
    gate = Hsigmoid()(F.relu(y.mean((2, 3)) @ linears[0].T) @ linears[1].T)
    y = Hswish()(y * gate[:, :, None, None])
    y = F.conv2d(y, convs[2].weight) / scale
    assert torch.allclose(block(x), y, atol=1e-10)


@pytest.mark.parametrize("place", ["before_nl", "after_nl"])
def test_row_13_puts_se_between_norm_and_nl(place: str, spec: Spec) -> None:
    network = build(spec if place == "before_nl" else spec.edit(f"13.se_place={place}"))
    row = network.get_submodule("rows.13").eval()
    conv, first, second = weights_in_order(row)
    x = torch.randn(2, 96, 3, 3)
    y = F.conv2d(x, conv) / (1 + 1e-5) ** 0.5
    if place == "after_nl":
        y = Hswish()(y)
    y = y * Hsigmoid()(F.relu(y.mean((2, 3)) @ first.T) @ second.T)[:, :, None, None]
    if place == "before_nl":
        y = Hswish()(y)
    assert torch.allclose(row(x), y, atol=1e-5)
