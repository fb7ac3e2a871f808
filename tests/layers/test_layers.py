"""The layer algebra: shapes and costs by hand, and each tree against a torch module of its own."""

from __future__ import annotations

import pickle
import re

import pytest
import torch
from torch import nn

from fuseablate import InputError
from fuseablate.layers import (
    Act,
    AuxHead,
    ChannelConv,
    ChannelShuffle,
    Concat,
    Conv,
    CoordinateGate,
    Cost,
    Dropout,
    Flatten,
    Gate,
    GlobalPool,
    Layer,
    LayerNorm,
    LayerScale,
    Linear,
    Norm,
    Pool,
    Residual,
    Seq,
    Shape,
    Split,
    ZeroPadShortcut,
    canonical,
    named,
    seq,
    walk,
)
from fuseablate.network.builder import to_module


def test_conv_by_hand() -> None:
    conv = Conv(6, 10, (3, 5), (2, 1), (1, 2), groups=2, bias=True)
    shape, cost = conv.infer((6, 9, 7))
    # H: (9 + 2 - 3) // 2 + 1 = 5, W: (7 + 4 - 5) // 1 + 1 = 7
    assert shape == (10, 5, 7)
    weights = 10 * 3 * 3 * 5
    assert cost == Cost(
        params=weights + 10, macs=weights * 35, activations=350, bytes=4 * (weights + 10)
    )


def test_depthwise_conv_by_hand() -> None:
    shape, cost = Conv(16, 16, (1, 3), (2, 2), (0, 1), groups=16).infer((16, 112, 112))
    assert shape == (16, 56, 56)
    assert (cost.params, cost.macs) == (48, 48 * 56 * 56)


@pytest.mark.parametrize(
    ("conv", "size"),
    [
        (Conv(3, 4, (3, 3), (2, 2), (1, 1)), (15, 8)),
        (Conv(4, 6, (2, 2), (2, 2), (0, 0), groups=2), (7, 6)),
        (Conv(3, 4, (4, 4), (3, 3), (1, 1)), (11, 12)),
        (Conv(3, 4, (5, 1), (1, 1), (0, 0)), (5, 3)),
        (Conv(3, 4, (5, 5), (2, 2), (2, 2)), (1, 1)),
    ],
)
def test_conv_shapes_are_torchs(conv: Conv, size: tuple[int, int]) -> None:
    real = nn.Conv2d(
        conv.cin, conv.cout, conv.kernel, conv.stride, conv.padding, groups=conv.groups, bias=False
    )
    shape, cost = conv.infer((conv.cin, *size))
    assert shape == tuple(real(torch.zeros(1, conv.cin, *size)).shape[1:])
    assert cost.params == real.weight.numel()


def test_linear_by_hand() -> None:
    assert Linear(20, 7).infer((20,)) == (
        (7,),
        Cost(params=140, macs=140, activations=7, bytes=560),
    )
    assert Linear(20, 7, bias=True).infer((20,))[1].params == 147
    assert Linear(20, 7, bias=True).infer((20,))[1].macs == 140


def test_what_is_neither_conv_nor_linear_has_no_macs() -> None:
    shape = (8, 4, 4)
    # BN keeps weight, bias, mean and variance in float32, and an int64 counter
    assert Norm(8).infer(shape) == (shape, Cost(params=16, bytes=4 * 32 + 8, norm=128))
    assert Act("relu").infer(shape) == (shape, Cost(elementwise=128))
    assert GlobalPool().infer(shape) == ((8, 1, 1), Cost(pool=128))
    assert Flatten().infer(shape) == ((128,), Cost())
    assert Dropout(0.2).infer(shape) == (shape, Cost())


def test_layers_of_channels_by_hand() -> None:
    shape = (6, 4, 5)
    assert LayerNorm(6).infer(shape) == (shape, Cost(params=12, bytes=48, norm=120))
    assert LayerScale(6, 1e-6).infer(shape) == (shape, Cost(params=6, bytes=24, elementwise=120))
    assert ChannelShuffle(3).infer(shape) == (shape, Cost(elementwise=120))
    conv = Cost(params=3, macs=18, activations=6, bytes=12)
    assert ChannelConv(3).infer((6,)) == ((6,), conv)


def test_the_walk_gives_each_part_of_a_coordinate_gate_its_strips() -> None:
    gate = CoordinateGate(named(trunk=Conv(6, 2), rows=Conv(2, 6), columns=Conv(2, 6)))
    before = [step.before for step in walk(gate, (6, 4, 5))]
    assert before == [(6, 9, 1), (2, 4, 1), (2, 1, 5), (6, 4, 5)]


def test_a_coordinate_gate_by_hand() -> None:
    gate = CoordinateGate(named(trunk=Conv(6, 2), rows=Conv(2, 6), columns=Conv(2, 6)))
    shape, cost = gate.infer((6, 4, 5))
    assert shape == (6, 4, 5)
    # 4 + 5 strips of 6 x 2, then 4 and 5 of 2 x 6; both means read the map, both products write it.
    assert (cost.params, cost.macs, cost.activations) == (36, 12 * 9 + 12 * 9, 2 * 9 + 6 * 9)
    assert (cost.pool, cost.elementwise) == (240, 240)


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (LayerNorm(6), (4, 2, 2), "a layer norm of 6 channels gets 4"),
        (LayerScale(6, 0.1), (4, 2, 2), "a layer scale of 6 channels gets 4"),
        (ChannelShuffle(3), (4, 2, 2), "4 channels do not divide into 3 groups"),
        (
            ChannelConv(3),
            (4, 2, 2),
            "a convolution along channels needs a vector, and gets (4, 2, 2)",
        ),
        (Linear(6, 2), (4,), "a linear layer of 6 inputs gets a tensor of shape (4,)"),
        (LayerNorm(6), (4,), "a layer norm needs a map (C, H, W), and gets a vector of 4"),
        (ZeroPadShortcut(4, 6, 1), (3, 2, 2), "a padded shortcut of 4 channels gets 3"),
        (
            Gate(named(conv=Conv(4, 2))),
            (4, 2, 2),
            "a gate over 4 channels gets factors of shape (2, 2, 2)",
        ),
        (
            CoordinateGate(named(trunk=Conv(6, 2), rows=Conv(2, 6), columns=Conv(2, 5))),
            (6, 4, 3),
            "'columns' of a coordinate gate makes (5, 1, 3) of (2, 1, 3)",
        ),
    ],
)
def test_layers_of_channels_refuse_others(layer: Layer, shape: Shape, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        layer.infer(shape)


def test_costs_add_in_every_field() -> None:
    cost = Cost(1, 2, 3, 4, 5, 6, 7)
    assert cost + Cost(10, 20, 30, 40, 50, 60, 70) == Cost(11, 22, 33, 44, 55, 66, 77)


def test_seq_concat_split_add_by_hand() -> None:
    pair = named(a=Conv(4, 3), b=Conv(4, 5))
    assert Concat(pair).infer((4, 2, 2)) == (
        (8, 2, 2),
        Cost(params=32, macs=128, activations=32, bytes=128),
    )
    halves = named(a=Conv(2, 3), b=Conv(2, 5))
    assert Split(halves).infer((4, 2, 2))[0] == (8, 2, 2)
    assert Split(halves).infer((4, 2, 2))[1].params == 16
    shape, cost = Residual(named(a=Conv(4, 2), b=Conv(2, 4))).infer((4, 3, 3))
    assert shape == (4, 3, 3)
    assert (cost.params, cost.macs, cost.elementwise) == (16, 144, 36)
    assert seq(a=Conv(4, 2), none=None, b=Conv(2, 6)).infer((4, 3, 3))[0] == (6, 3, 3)


def test_gate_by_hand() -> None:
    gate = Gate(
        named(pool=GlobalPool(), flat=Flatten(), one=Linear(8, 2), act=Act("relu"),
              two=Linear(2, 8), last=Act("hsigmoid"))
    )  # fmt: skip
    shape, cost = gate.infer((8, 5, 5))
    assert shape == (8, 5, 5)
    assert (cost.params, cost.macs, cost.activations) == (32, 32, 10)
    assert (cost.pool, cost.elementwise) == (200, 2 + 8 + 200)


TREES: list[tuple[Layer, Shape]] = [
    (Concat(named(x=Seq(()), a=seq(conv=Conv(4, 3), act=Act("relu")))), (4, 5, 5)),
    (Residual(named(a=Conv(4, 4, (3, 3), (1, 1), (1, 1)), n=Norm(4))), (4, 5, 5)),
    (Split(named(a=Conv(2, 2), b=Seq(()))), (4, 5, 5)),
    (Gate(named(pool=GlobalPool(), conv=Conv(4, 4), act=Act("sigmoid"))), (4, 5, 5)),
    (seq(pool=GlobalPool(), flat=Flatten(), conv=ChannelConv(5)), (4, 5, 5)),
    (seq(norm=LayerNorm(4), scale=LayerScale(4, 0.5), shuffle=ChannelShuffle(2)), (4, 5, 3)),
    (CoordinateGate(named(a=Conv(4, 3), b=Conv(3, 4), c=Conv(3, 4))), (4, 5, 3)),
    (seq(pool=GlobalPool(), flat=Flatten(), drop=Dropout(0.5), fc=Linear(4, 3)), (4, 5, 5)),
]


@pytest.mark.parametrize(("tree", "shape"), TREES)
def test_trees_build_and_agree_with_their_modules(tree: Layer, shape: Shape) -> None:
    module = to_module(tree).eval()
    after, cost = tree.infer(shape)
    assert tuple(module(torch.zeros(2, *shape)).shape) == (2, *after)
    assert sum(p.numel() for p in module.parameters()) == cost.params


@pytest.mark.parametrize("channels_last", [False, True])
def test_layers_of_channels_are_torchs(channels_last: bool) -> None:
    x = torch.randn(2, 6, 3, 4)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    norm = to_module(LayerNorm(6, eps=1e-3))
    weight, bias = torch.randn(6), torch.randn(6)
    norm.load_state_dict({"weight": weight, "bias": bias})
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    normed = (x - mean) / (variance + 1e-3).sqrt() * weight.view(6, 1, 1) + bias.view(6, 1, 1)
    assert torch.allclose(norm(x), normed, atol=1e-5)
    assert torch.equal(to_module(ChannelShuffle(3))(x), nn.ChannelShuffle(3)(x))
    scale = to_module(LayerScale(6, 0.25))
    assert torch.equal(scale(x), x / 4)


def test_combinators_compute_what_they_say() -> None:
    x = torch.randn(2, 4, 3, 3)
    conv = Conv(4, 4)
    joined = to_module(Concat(named(same=Seq(()), a=conv)))
    weight = joined.get_parameter("a.weight")
    y = torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], x)
    assert torch.allclose(joined(x), torch.cat([x, y], 1), atol=1e-6)
    added = to_module(Residual(named(a=conv)))
    added.load_state_dict({"a.weight": weight.detach()})
    assert torch.allclose(added(x), x + y, atol=1e-6)
    split = to_module(Split(named(a=Seq(()), b=Act("relu"))))
    assert torch.equal(split(x.clone()), torch.cat([x[:, :2], x[:, 2:].relu()], 1))
    gated = to_module(Gate(named(pool=GlobalPool())))
    assert torch.allclose(gated(x), x * x.mean((2, 3), keepdim=True), atol=1e-6)


@pytest.mark.parametrize(
    ("tree", "shape", "message"),
    [
        (Conv(4, 4), (3, 5, 5), "convolution of 4 channels gets 3"),
        (Conv(4, 4), (4,), "needs a map"),
        (Conv(6, 4, groups=4), (6, 5, 5), "6 to 4 channels do not divide into 4 groups"),
        (Conv(4, 6, groups=4), (4, 5, 5), "do not divide"),
        (Conv(4, 4, (5, 5)), (4, 4, 4), "leaves nothing of a 4x4 map"),
        (Conv(4, 4, (1, 1), (8, 8)), (4, 4, 4), "use a stride of at most 4"),
        (Linear(4, 2), (4, 1, 1), "linear layer of 4 inputs"),
        (Linear(4, 2), (5,), "linear layer of 4 inputs"),
        (GlobalPool(), (4,), "needs a map"),
        (Pool("max", (3, 3), (2, 2), (2, 2)), (4, 8, 8), "padding 2 is more than half"),
        (Split(named(a=Conv(2, 2), b=Conv(2, 2))), (5, 2, 2), "5 channels do not divide among 2"),
        (Residual(named(a=Conv(4, 5))), (4, 2, 2), "a residual needs equal shapes"),
        (Gate(named(p=GlobalPool(), a=Conv(4, 2))), (4, 2, 2), "a gate over 4 channels"),
        (
            Concat(named(a=Conv(4, 2), b=Conv(4, 2, (1, 1), (2, 2)))),
            (4, 4, 4),
            "different sizes (a 4x4, b 2x2)",
        ),
    ],
)
def test_what_does_not_fit_is_said(tree: Layer, shape: Shape, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        tree.infer(shape)


def test_written_text_tells_trees_apart() -> None:
    assert canonical(Conv(3, 4)) == "Conv(cin:3,cout:4)"
    assert canonical(seq(a=Act("relu"))) == "Seq(a=Act(kind:relu))"
    different: list[Layer] = [
        Conv(3, 4),
        Conv(4, 3),
        Conv(3, 4, (3, 3)),
        Conv(3, 4, stride=(3, 3)),
        Conv(3, 4, bias=True),
        seq(a=Conv(3, 4)),
        seq(b=Conv(3, 4)),
        Concat(named(a=Conv(3, 4))),
        Act("relu"),
        Act("elu"),
        Dropout(0.1),
        Dropout(0.2),
    ]
    assert len({canonical(tree) for tree in different}) == len(different)


def test_a_walk_passes_each_layer_once_and_a_join_after_what_it_joins() -> None:
    split = Split(named(a=Conv(2, 3), b=Conv(2, 1)))
    tree = seq(
        stem=Conv(3, 4, (3, 3), (2, 2), (1, 1)),
        head=AuxHead(named(pool=GlobalPool()), weight=0.3),
        both=Residual(named(split=split)),
        sides=Concat(named(act=Act("relu"), pool=Pool("max", (1, 1), (1, 1)))),
    )
    steps = [(step.layer.tag, step.before, step.after) for step in walk(tree, (3, 8, 8))]
    four = (4, 4, 4)
    assert steps == [
        ("Conv", (3, 8, 8), four), ("Tap", four, four),
        ("Conv", (2, 4, 4), (3, 4, 4)), ("Conv", (2, 4, 4), (1, 4, 4)), ("Split", four, four),
        ("Add", four, four),
        ("Act", four, four), ("Pool", four, four), ("Concat", four, (8, 4, 4)),
        ("Seq", (3, 8, 8), (8, 4, 4)),
    ]  # fmt: skip


def test_a_tree_that_was_asked_before_says_the_same() -> None:
    tree, other = (seq(conv=Conv(3, 4, (3, 3), (1, 1), (1, 1)), norm=Norm(4)) for _ in range(2))
    for side in (4, 8, 4):  # 3 x 3 x 3 x 4 weights
        assert tree.infer((3, side, side)) == (
            (4, side, side),
            Cost(
                params=108 + 8,
                macs=108 * side**2,
                activations=4 * side**2,
                bytes=4 * 108 + 16 * 4 + 8,
                norm=4 * side**2,
            ),
        )
    for _ in range(2):
        with pytest.raises(InputError, match="a convolution of 3 channels gets 5"):
            tree.infer((5, 4, 4))
    assert (tree, hash(tree), repr(tree)) == (other, hash(other), repr(other))
    assert canonical(tree) == canonical(other)
    assert pickle.loads(pickle.dumps(tree)).infer((3, 4, 4)) == other.infer((3, 4, 4))
