"""The built network: initial weights, names, fast forms, memory formats, primitives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from fuseablate import build, load_spec
from fuseablate.layers import Seq
from fuseablate.network.builder import PRIMITIVE_MODULES, to_module
from fuseablate.network.modules import StandardisedConv2d
from fuseablate.network.stacking import stacked
from fuseablate.spec.spec import Spec


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec("fusenet")


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


class _NormGradients(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes down how the gradients of batch norms lie in memory, and their inputs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.strides: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.native_batch_norm_backward.default:
            self.strides.append((args[0].stride(), args[1].stride()))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("runs", [1, 2])
def test_gradients_of_norms_lie_as_their_inputs(runs: int, spec: Spec) -> None:
    # Where they do not, a batch norm goes backwards number by number.
    form = torch.channels_last
    networks = [build(spec, seed, fast=True).to(memory_format=form) for seed in range(runs)]
    network = networks[0] if runs == 1 else stacked(spec.layers((32, 32)), networks)
    images = torch.randn(4, 3 * runs, 32, 32).contiguous(memory_format=form)
    loss = network(images).square().sum()
    with _NormGradients() as seen:
        loss.backward()
    assert len(seen.strides) == 46
    assert all(of_y == of_x for of_y, of_x in seen.strides)


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


def test_standardised_kernels_by_hand() -> None:
    """Two kernels around 1, the one a thousandth away, the other ten: 1 / sqrt(1 + 0.01), and 1."""
    signs = torch.tensor([1.0, -1.0, -1.0, 1.0]).view(1, 1, 2, 2).double()
    conv = StandardisedConv2d(1, 2, 2, bias=False).double()
    conv.weight.data = torch.cat([1 + 0.001 * signs, 1 + 10 * signs])
    spread = conv(signs).flatten() / 4
    assert spread.tolist() == pytest.approx([1.01**-0.5, 1.0], rel=1e-6)
    assert conv(torch.ones(1, 1, 2, 2).double()).abs().max() < 1e-9  # each has the mean 0
