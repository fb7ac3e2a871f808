"""The built network against the source's own snippets and a Fuse block written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fuseablate import build, load_spec
from fuseablate.layers import Act, Seq
from fuseablate.network.builder import PRIMITIVE_MODULES, to_module
from fuseablate.ops import Settings
from fuseablate.ops.conv import ConvRow
from fuseablate.spec.spec import Spec

# --- Copied from the source document, without inplace, which changes no value. ---


class Hsigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3.0) / 6.0


class SEModule(nn.Module):
    def __init__(self, channel: int, reduction: int = 4) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channel // reduction, channel, bias=False),
            Hsigmoid(),
        )

    def forward(self, x: Tensor) -> Any:
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class Hswish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.relu6(x + 3.0) / 6.0


# ---------------------------------------------------------------------------------


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


class ReferenceFuse(nn.Module):
    """A Fuse block straight from the design's reading, with none of the package in it."""

    def __init__(
        self,
        cin: int,
        exp: int,
        out: int,
        k: int,
        stride: int,
        *,
        se: bool,
        nl: nn.Module,
        halves: bool = False,
        residual: bool = False,
        se_place: str = "before_nl",
        expand: bool = True,
        nl2: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.halves, self.residual, self.se_place = halves, residual, se_place
        self.nl, self.nl2 = nl, nl2 or nl
        each = exp // 2 if halves else exp
        self.expand = nn.Conv2d(cin, exp, 1, bias=False) if expand else None
        self.expand_bn = nn.BatchNorm2d(exp) if expand else None
        pad = (k - 1) // 2
        self.row = nn.Conv2d(each, each, (1, k), stride, (0, pad), groups=each, bias=False)
        self.row_bn = nn.BatchNorm2d(each)
        self.column = nn.Conv2d(each, each, (k, 1), stride, (pad, 0), groups=each, bias=False)
        self.column_bn = nn.BatchNorm2d(each)
        gated = out if se_place == "after_project" else 2 * each
        self.se = SEModule(gated) if se else nn.Identity()
        self.project = nn.Conv2d(2 * each, out, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Any:
        y = x
        if self.expand is not None and self.expand_bn is not None:
            y = self.nl(self.expand_bn(self.expand(x)))
        middle = y.shape[1] // 2
        first, second = (y[:, :middle], y[:, middle:]) if self.halves else (y, y)
        rows = self.row_bn(self.row(first))
        columns = self.column_bn(self.column(second))
        y = torch.cat([rows, columns], dim=1)
        if self.se_place == "before_nl":
            y = self.nl2(self.se(y))
        elif self.se_place == "after_nl":
            y = self.se(self.nl2(y))
        else:
            y = self.nl2(y)
        y = self.project_bn(self.project(y))
        if self.se_place == "after_project":
            y = self.se(y)
        return x + y if self.residual else y


def weights_in_order(module: nn.Module) -> list[Tensor]:
    """Conv and linear weights: in both, in the order in which the data meets them."""
    return [m.weight for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


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


def test_the_linear_head_is_the_same_function(spec: Spec) -> None:
    conv = build(spec)
    linear = build(spec.edit("15-16.form=linear"))
    state = {
        key: value.flatten(1) if key in ("rows.15.conv.weight", "rows.16.conv.weight") else value
        for key, value in conv.state_dict().items()
    }
    linear.load_state_dict(state)
    x = torch.randn(2, 3, 32, 32)
    assert torch.allclose(conv.eval()(x), linear.eval()(x), atol=1e-5)
    assert isinstance(linear.get_submodule("rows.16.conv"), nn.Linear)


# --- Initial weights: a stream for each parameter ---


def test_equal_seeds_give_equal_weights_and_others_do_not(spec: Spec) -> None:
    first, same, other = (build(spec, seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[key], same[key]) for key in first)
    drawn = [key for key in first if first[key].ndim >= 2]
    assert len(drawn) == 48 + 20
    assert not any(torch.equal(first[key], other[key]) for key in drawn)


def test_the_global_generator_neither_matters_nor_moves(spec: Spec) -> None:
    torch.manual_seed(1)
    before = build(spec).state_dict()
    torch.manual_seed(2)
    two = build(spec).state_dict()
    assert all(torch.equal(before[key], two[key]) for key in before)


@pytest.mark.parametrize(
    ("edit", "rows"), [("5.exp=48", {"5"}), ("5.depth=2", {"5_2"}), ("2.se=false", set())]
)
def test_an_edit_of_one_row_leaves_the_others_weights(
    edit: str, rows: set[str], spec: Spec
) -> None:
    before, after = build(spec, 7).state_dict(), build(spec.edit(edit), 7).state_dict()
    differ = {
        key.split(".")[1]
        for key in after
        if key not in before or not torch.equal(before[key], after[key])
    }
    assert differ <= rows
    assert len(after) > 100


def test_parameters_have_readable_names(spec: Spec) -> None:
    names = [n for n, _ in build(spec).named_parameters()]
    assert "rows.5.expand.conv.weight" in names
    assert "rows.5.depthwise.row.conv.weight" in names
    assert "rows.5.se.fc1.weight" in names
    assert any(
        n.startswith("rows.5_2.") for n, _ in build(spec.edit("5.depth=2")).named_parameters()
    )


# --- The fast forms ---

FAST_CASES = {
    "baseline": [],
    "half": ["fuse.variant=half"],
    "residual": ["fuse.residual=true", "fuse.expand=wider"],
    "mbconv": ["fuse.op=mbconv"],
    "no norm": ["all.norm=none", "fuse.nl=gelu"],
    "even kernel": ["2.kernel=4", "fuse.order=Kx1,1xK"],
    "bias and linear": ["all.bias=true", "15-16.form=linear"],
    "strided at 1x1": ["12.stride=2", "13.stride=2"],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", FAST_CASES)
def test_fast_is_the_same_function(case: str, dtype: torch.dtype, spec: Spec) -> None:
    edited = spec.edit(*FAST_CASES[case])
    networks = [build(edited, seed=2, fast=fast).to(dtype).eval() for fast in (False, True)]
    assert [*networks[0].state_dict()] == [*networks[1].state_dict()]
    assert any(type(m) is not nn.Conv2d and isinstance(m, nn.Conv2d) for m in networks[1].modules())
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32, dtype=dtype)
    results = []
    for network in networks:
        logits = network(images)
        logits.square().sum().backward()
        results.append((logits.detach(), [p.grad for p in network.parameters()]))
    (plain, plain_grads), (fast, fast_grads) = results
    tolerance = 1e-4 if dtype == torch.float32 else 1e-10
    assert plain.abs().max() > 0
    assert torch.allclose(plain, fast, rtol=tolerance, atol=tolerance * float(plain.abs().max()))
    for plain_grad, other in zip(plain_grads, fast_grads, strict=True):
        assert plain_grad is not None
        assert other is not None
        limit = tolerance * max(float(plain_grad.abs().max()), 1e-6)
        assert torch.allclose(plain_grad, other, rtol=10 * tolerance, atol=10 * limit)


@pytest.mark.parametrize("fast", [False, True])
def test_channels_last_changes_nothing(fast: bool, spec: Spec) -> None:
    network = build(spec, fast=fast).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        plain = network(x)
        network = network.to(memory_format=torch.channels_last)
        last = network(x.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(plain, last, atol=1e-5 * float(plain.abs().max()) + 1e-6)


def test_the_rows_do_not_write_on_their_input(spec: Spec) -> None:
    # In-place activations may only touch what the row itself has made.
    network = build(spec.edit("fuse.residual=true", "fuse.expand=wider", "all.norm=none"))
    for inferred in spec.infer((32, 32)):
        x = torch.randn(2, *inferred.in_shape)
        kept = x.clone()
        network.get_submodule(f"rows.{inferred.row.id}")(x)
        assert torch.equal(x, kept), inferred.row.id


def test_every_primitive_of_the_layers_has_a_module() -> None:
    from fuseablate import layers
    from fuseablate.network.builder import COMBINATOR_MODULES

    made = {
        thing
        for thing in vars(layers).values()
        if isinstance(thing, type)
        and thing.__module__.startswith("fuseablate.layers.")
        and hasattr(thing, "infer")
        and thing not in (layers.Layer, layers.OwnLayer)
    }
    assert made == {*PRIMITIVE_MODULES, *COMBINATOR_MODULES}
    assert Seq in made
    for kind in layers.ACTIVATIONS:
        assert to_module(layers.Act(kind))(torch.zeros(2, 3, 4, 4)).shape == (2, 3, 4, 4)
