"""The source's table and its twelve notes, written out by hand, against spec and network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fuseablate import build, load_spec, measure
from fuseablate.spec.spec import Spec

# Copied from the source, cell by cell: Input, Operator, K, BN, exp, out, SE, NL, stride.
SOURCE = """
224x224x3   Conv2d                  3x3      Yes  -    16    No   H-Swish  2
112x112x16  Fuse                    3x1,1x3  Yes  16   16    Yes  ReLU     2
56x56x16    Fuse                    3x1,1x3  Yes  72   24    No   ReLU     2
28x28x24    Fuse                    3x1,1x3  Yes  88   24    No   ReLU     1
28x28x24    Fuse                    5x1,1x5  Yes  96   40    Yes  H-Swish  2
14x14x40    Fuse                    5x1,1x5  Yes  240  40    Yes  H-Swish  1
14x14x40    Fuse                    5x1,1x5  Yes  240  40    Yes  H-Swish  1
14x14x40    Fuse                    5x1,1x5  Yes  120  48    Yes  H-Swish  1
14x14x48    Fuse                    5x1,1x5  Yes  144  48    Yes  H-Swish  1
14x14x48    Fuse                    5x1,1x5  Yes  288  96    Yes  H-Swish  2
7x7x96      Fuse                    5x1,1x5  Yes  576  96    Yes  H-Swish  1
7x7x96      Fuse                    5x1,1x5  Yes  576  96    Yes  H-Swish  1
7x7x96      Conv2d                  1x1      Yes  -    576   Yes  H-Swish  1
7x7x576     AdaptiveAveragePooling  7x7      No   -    -     -    -        1
1x1x576     Conv2d                  1x1      No   -    1024  -    H-Swish  1
1x1x1024    Conv2d                  1x1      No   -    100   -    -        1
"""
ROWS = [line.split() for line in SOURCE.strip().splitlines()]
NUMBERED = list(enumerate(ROWS, 1))
FUSE = [number for number, row in NUMBERED if row[1] == "Fuse"]

# Params and MACs of the rows, by hand. A Fuse block of c -> out with e expanded channels has
# c e + 2 e K + 2 e out weights, and for SE another 2 (2e) (2e // 4); BN adds two numbers for each
# of e, 2e and out channels. MACs: the weights times the pixels each is used at, and an SE once.
BY_HAND = {
    # row: (weights and SE, BN, MACs at 224, MACs at 32)
    1: (27 * 16, 2 * 16, 27 * 16 * 112**2, 27 * 16 * 16**2),
    2: (
        16 * 16 + 2 * 16 * 3 + 32 * 16 + 2 * 32 * 8,
        2 * (16 + 32 + 16),
        256 * 112**2 + (96 + 512) * 56**2 + 512,
        256 * 16**2 + (96 + 512) * 8**2 + 512,
    ),
    3: (
        16 * 72 + 2 * 72 * 3 + 144 * 24,
        2 * (72 + 144 + 24),
        1152 * 56**2 + (432 + 3456) * 28**2,
        1152 * 8**2 + (432 + 3456) * 4**2,
    ),
    4: (
        24 * 88 + 2 * 88 * 3 + 176 * 24,
        2 * (88 + 176 + 24),
        (2112 + 528 + 4224) * 28**2,
        (2112 + 528 + 4224) * 4**2,
    ),
    5: (
        24 * 96 + 2 * 96 * 5 + 192 * 40 + 2 * 192 * 48,
        2 * (96 + 192 + 40),
        2304 * 28**2 + (960 + 7680) * 14**2 + 18432,
        2304 * 4**2 + (960 + 7680) * 2**2 + 18432,
    ),
    6: (
        40 * 240 + 2 * 240 * 5 + 480 * 40 + 2 * 480 * 120,
        2 * (240 + 480 + 40),
        (9600 + 2400 + 19200) * 14**2 + 115200,
        (9600 + 2400 + 19200) * 2**2 + 115200,
    ),
    7: (
        40 * 240 + 2 * 240 * 5 + 480 * 40 + 2 * 480 * 120,
        2 * (240 + 480 + 40),
        (9600 + 2400 + 19200) * 14**2 + 115200,
        (9600 + 2400 + 19200) * 2**2 + 115200,
    ),
    8: (
        40 * 120 + 2 * 120 * 5 + 240 * 48 + 2 * 240 * 60,
        2 * (120 + 240 + 48),
        (4800 + 1200 + 11520) * 14**2 + 28800,
        (4800 + 1200 + 11520) * 2**2 + 28800,
    ),
    9: (
        48 * 144 + 2 * 144 * 5 + 288 * 48 + 2 * 288 * 72,
        2 * (144 + 288 + 48),
        (6912 + 1440 + 13824) * 14**2 + 41472,
        (6912 + 1440 + 13824) * 2**2 + 41472,
    ),
    10: (
        48 * 288 + 2 * 288 * 5 + 576 * 96 + 2 * 576 * 144,
        2 * (288 + 576 + 96),
        13824 * 14**2 + (2880 + 55296) * 7**2 + 165888,
        13824 * 2**2 + (2880 + 55296) * 1**2 + 165888,
    ),
    11: (
        96 * 576 + 2 * 576 * 5 + 1152 * 96 + 2 * 1152 * 288,
        2 * (576 + 1152 + 96),
        (55296 + 5760 + 110592) * 7**2 + 663552,
        (55296 + 5760 + 110592) * 1**2 + 663552,
    ),
    12: (
        96 * 576 + 2 * 576 * 5 + 1152 * 96 + 2 * 1152 * 288,
        2 * (576 + 1152 + 96),
        (55296 + 5760 + 110592) * 7**2 + 663552,
        (55296 + 5760 + 110592) * 1**2 + 663552,
    ),
    13: (
        96 * 576 + 2 * 576 * 144,
        2 * 576,
        55296 * 7**2 + 165888,
        55296 * 1**2 + 165888,
    ),
    14: (0, 0, 0, 0),
    15: (576 * 1024, 0, 576 * 1024, 576 * 1024),
    16: (1024 * 100, 0, 1024 * 100, 1024 * 100),
}
SIDES = {  # the side of the map that goes into each row, and of the one that the last puts out
    224: (224, 112, 56, 28, 28, 14, 14, 14, 14, 14, 7, 7, 7, 7, 1, 1, 1),
    32: (32, 16, 8, 4, 4, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load_spec("fusenet")


@pytest.fixture(scope="module")
def network(spec: Spec) -> nn.Module:
    return build(spec)


def flat(network: nn.Module, prefix: str) -> list[nn.Module]:
    """The modules below a name that have no children of their own, in order."""
    return [m for m in network.get_submodule(prefix).modules() if not list(m.children())]


def conv_at(network: nn.Module, name: str) -> nn.Conv2d:
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return conv


@pytest.mark.parametrize(("number", "source"), NUMBERED)
def test_spec_has_the_fields_of_the_source(spec: Spec, number: int, source: list[str]) -> None:
    size, operator, kernel, bn, exp, out, se, nl, stride = source
    inferred = spec.infer()[number - 1]
    row, fields = inferred.row, inferred.row.values()
    h, w, c = map(int, size.split("x"))
    assert row.id == str(number)
    assert inferred.in_shape == (c, h, w)
    assert row.op == {"Conv2d": "conv", "Fuse": "fuse", "AdaptiveAveragePooling": "pool"}[operator]
    assert row.kernel_text(inferred.in_shape) == kernel
    assert fields.get("norm") == ("batch" if bn == "Yes" else None)
    assert fields.get("exp") == (None if exp == "-" else int(exp))
    if operator != "AdaptiveAveragePooling":
        assert fields["kernel"] == int(kernel[0])
        assert inferred.out_shape[0] == int(out)
        assert fields["out"] == ("classes" if number == 16 else int(out))
    assert fields.get("se") == {"Yes": True, "No": False, "-": None}[se]
    assert fields.get("nl") == {"H-Swish": "hswish", "ReLU": "relu", "-": None}[nl]
    assert fields.get("stride", 1) == int(stride)


@pytest.mark.parametrize("number", FUSE)
def test_inferred_choices_of_the_fuse_rows_are_fields(spec: Spec, number: int) -> None:
    cells = spec.rows[number - 1].values()
    assert cells["variant"] == "full"
    assert cells["residual"] is False
    assert cells["expand"] == "always"
    assert cells["se_place"] == "before_nl"
    assert cells["nl2"] == "same"
    assert cells["order"] == "1xK,Kx1"


def test_inferred_choices_of_the_head_are_fields(spec: Spec) -> None:
    assert spec.rows[12].values()["se"] is True
    assert [spec.rows[n].values()["form"] for n in (14, 15)] == ["conv", "conv"]
    assert spec.rows[15].values()["bias"] is False
    assert [row.id for row in spec.rows if row.values().get("dropout")] == ["16"]
    assert spec.dropout == 0.2


ACTIVATION = {"H-Swish": nn.Hardswish, "ReLU": nn.ReLU}


def conv_facts(conv: nn.Module) -> tuple[object, ...]:
    assert isinstance(conv, nn.Conv2d)
    return (
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.groups,
        conv.dilation,
    )


def assert_se(modules: list[nn.Module], channels: int) -> None:
    pool, _flatten, first, relu, second, gate = modules
    assert isinstance(pool, nn.AdaptiveAvgPool2d)
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    assert (first.in_features, first.out_features) == (channels, channels // 4)
    assert (second.in_features, second.out_features) == (channels // 4, channels)
    assert [name for name, _ in first.named_parameters()] == ["weight"]
    assert [name for name, _ in second.named_parameters()] == ["weight"]
    assert isinstance(relu, nn.ReLU)
    assert isinstance(gate, nn.Hardsigmoid)


@pytest.mark.parametrize("number", FUSE)
def test_each_fuse_row_of_the_network(network: nn.Module, number: int) -> None:
    size, _, kernel, _, exp_text, out_text, se, nl, stride_text = ROWS[number - 1]
    c, exp, out, k, s = (
        int(size.split("x")[2]),
        int(exp_text),
        int(out_text),
        int(kernel[0]),
        int(stride_text),
    )
    modules = flat(network, f"rows.{number}")
    # 1x1 -> BN -> NL -> (1xK -> BN | Kx1 -> BN) -> [SE] -> NL -> 1x1 -> BN, and nothing else
    assert conv_facts(modules[0]) == (c, exp, (1, 1), (1, 1), (0, 0), 1, (1, 1))
    assert isinstance(modules[1], nn.BatchNorm2d)
    assert modules[1].num_features == exp
    assert type(modules[2]) is ACTIVATION[nl]
    pad = k // 2
    assert conv_facts(modules[3]) == (exp, exp, (1, k), (s, s), (0, pad), exp, (1, 1))
    assert isinstance(modules[4], nn.BatchNorm2d)
    assert modules[4].num_features == exp
    assert conv_facts(modules[5]) == (exp, exp, (k, 1), (s, s), (pad, 0), exp, (1, 1))
    assert isinstance(modules[6], nn.BatchNorm2d)
    assert modules[6].num_features == exp
    rest = modules[7:]
    if se == "Yes":
        assert_se(rest[:6], 2 * exp)
        rest = rest[6:]
    act, project, norm = rest
    assert type(act) is ACTIVATION[nl]
    assert conv_facts(project) == (2 * exp, out, (1, 1), (1, 1), (0, 0), 1, (1, 1))
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == out


def test_the_other_rows_of_the_network(network: nn.Module) -> None:
    stem = flat(network, "rows.1")
    assert conv_facts(stem[0]) == (3, 16, (3, 3), (2, 2), (1, 1), 1, (1, 1))
    assert [type(m) for m in stem[1:]] == [nn.BatchNorm2d, nn.Hardswish]

    last = flat(network, "rows.13")
    assert conv_facts(last[0]) == (96, 576, (1, 1), (1, 1), (0, 0), 1, (1, 1))
    assert isinstance(last[1], nn.BatchNorm2d)
    assert_se(last[2:8], 576)
    assert [type(m) for m in last[8:]] == [nn.Hardswish]

    (pool,) = flat(network, "rows.14")
    assert isinstance(pool, nn.AdaptiveAvgPool2d)
    assert pool.output_size == (1, 1)

    wide = flat(network, "rows.15")
    assert conv_facts(wide[0]) == (576, 1024, (1, 1), (1, 1), (0, 0), 1, (1, 1))
    assert [type(m) for m in wide[1:]] == [nn.Hardswish]

    dropout, classifier = flat(network, "rows.16")
    assert type(dropout).__name__ == "Dropout"
    assert getattr(dropout, "p", None) == 0.2
    assert conv_facts(classifier) == (1024, 100, (1, 1), (1, 1), (0, 0), 1, (1, 1))


def test_no_convolution_has_a_bias(network: nn.Module) -> None:
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == 1 + 11 * 4 + 3
    assert [conv for conv in convs if conv.bias is not None] == []


def test_dropout_acts_on_the_1024_activations_while_training(network: nn.Module) -> None:
    dropout = network.get_submodule("rows.16.dropout")
    x = torch.ones(64, 1024, 1, 1)
    torch.manual_seed(0)
    kept = dropout.train()(x)
    # 65,536 draws: the share of zeros has a standard deviation of 0.0016
    assert abs((kept == 0).float().mean().item() - 0.2) < 0.01
    assert torch.allclose(kept[kept != 0], torch.tensor(1.25))
    assert torch.equal(dropout.eval()(x), x)


@pytest.mark.parametrize("side", [224, 32])
def test_shapes_at_any_input(spec: Spec, network: nn.Module, side: int) -> None:
    outs = [16, 16, 24, 24, 40, 40, 40, 48, 48, 96, 96, 96, 576, 576, 1024, 100]
    shapes = [(out, s, s) for out, s in zip(outs, SIDES[side][1:], strict=True)]
    assert [row.out_shape for row in spec.infer((side, side))] == shapes
    seen = []
    hooks = [
        network.get_submodule(f"rows.{n}").register_forward_hook(
            lambda module, inputs, output: seen.append(tuple(output.shape[1:]))
        )
        for n in range(1, 17)
    ]
    with torch.no_grad():
        logits = network.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    assert seen == shapes
    assert logits.shape == (1, 100)


@pytest.mark.parametrize("number", range(1, 17))
def test_each_rows_params_and_macs(spec: Spec, network: nn.Module, number: int) -> None:
    weights, norms, at_224, at_32 = BY_HAND[number]
    module = network.get_submodule(f"rows.{number}")
    assert spec.infer()[number - 1].cost.params == weights + norms
    assert sum(p.numel() for p in module.parameters()) == weights + norms
    assert spec.infer((224, 224))[number - 1].cost.macs == at_224
    assert spec.infer((32, 32))[number - 1].cost.macs == at_32


def test_totals(spec: Spec, network: nn.Module) -> None:
    assert sum(w + n for w, n, _, _ in BY_HAND.values()) == 3_284_608
    assert sum(macs for _, _, macs, _ in BY_HAND.values()) == 73_851_648
    assert sum(macs for _, _, _, macs in BY_HAND.values()) == 4_123_392
    assert measure(spec).params == 3_284_608
    assert measure(spec).macs == 73_851_648
    assert measure(spec, (32, 32)).macs == 4_123_392
    assert sum(p.numel() for p in network.parameters()) == 3_284_608


def test_what_is_not_macs_is_counted_apart(spec: Spec) -> None:
    cost = measure(spec, (32, 32))
    # per row: channels behind each BN times pixels
    norm = 16 * 256 + (16 * 256 + 48 * 64) + (72 * 64 + 168 * 16) + (88 + 200) * 16
    norm += 96 * 16 + 232 * 4 + 2 * (240 + 520) * 4 + (120 + 288) * 4 + (144 + 336) * 4
    norm += 288 * 4 + 672 + 2 * (576 + 1248) + 576
    assert cost.norm == norm
    pool = 32 * 64 + 192 * 4 + 2 * 480 * 4 + 240 * 4 + 288 * 4 + 576 + 2 * 1152 + 576 + 576
    assert cost.pool == pool
    # saved: each weight, and for each BN two statistics a channel and an 8-byte counter
    norms = 1 + 11 * 4 + 1
    statistics = sum(n for _, n, _, _ in BY_HAND.values())
    assert cost.bytes == 4 * (3_284_608 + statistics) + 8 * norms


def test_the_initial_weights_have_the_sources_spread(spec: Spec) -> None:
    network = build(spec, seed=3)
    count = 0
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            # fan_out, as torch computes it: output channels x kernel area, whatever the groups
            fan_out = module.out_channels * math.prod(module.kernel_size)
            expected = math.sqrt(2 / fan_out)
        elif isinstance(module, nn.Linear):
            expected = 0.01
        else:
            continue
        n = module.weight.numel()
        # five standard errors of a normal sample's mean and standard deviation
        assert abs(module.weight.mean().item()) < 5 * expected / math.sqrt(n), name
        assert abs(module.weight.std().item() / expected - 1) < 5 / math.sqrt(2 * n), name
        count += 1
    assert count == 48 + 2 * 10
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert torch.equal(module.bias, torch.zeros_like(module.bias))
            assert torch.equal(module.running_mean, torch.zeros_like(module.weight))  # type: ignore[arg-type]
            assert torch.equal(module.running_var, torch.ones_like(module.weight))  # type: ignore[arg-type]


def test_a_bias_that_an_edit_adds_starts_at_zero(spec: Spec) -> None:
    network = build(spec.edit("16.bias=true"))
    bias = conv_at(network, "rows.16.conv").bias
    assert bias is not None
    assert torch.equal(bias, torch.zeros(100))


def test_why_covers_every_inferred_choice(spec: Spec) -> None:
    inferred = {why.field for why in spec.why if why.origin == "inferred"}
    assert {f"fuse.{f}" for f in ("variant", "residual", "expand", "se_place", "nl2", "order")} <= (
        inferred
    )
    named = {why.field for why in spec.why}
    assert {"13.se", "15-16.form", "16.bias", "16.dropout"} <= named
