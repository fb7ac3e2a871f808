"""Cycles on a systolic array, against hand arithmetic and the published speed-ups."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from fuseablate import InputError, layers, load_spec
from fuseablate.cost.machines import load_hardware
from fuseablate.cost.systolic import SystolicArray, cycles
from fuseablate.layers import Conv, Layer, Linear, named, seq

SMALL = SystolicArray(rows=4, columns=3, broadcast=True)


def test_a_product_is_cut_into_tiles_and_those_at_the_edge_are_smaller() -> None:
    # 5 x 7 by 7 x 4 on 4 x 3: tiles of 4x3, 4x1, 1x3, 1x1 outputs, 7 + r + q - 1 cycles each.
    assert SMALL.product(5, 7, 4) == (7 + 4 + 3 - 1) + (7 + 4) + (7 + 3) + (7 + 1)
    whole = SMALL.replace(edges="whole")
    assert whole.product(5, 7, 4) == 4 * (7 + 4 + 3 - 2)


@pytest.mark.parametrize("s", [1, 4, 5, 12])
@pytest.mark.parametrize("m", [1, 3, 8])
def test_a_product_costs_the_sum_of_its_tiles(s: int, m: int) -> None:
    tiles = product(range(0, s, SMALL.rows), range(0, m, SMALL.columns))
    total = sum(6 + min(SMALL.rows, s - r) + min(SMALL.columns, m - q) - 1 for r, q in tiles)
    assert SMALL.product(s, 6, m) == total


def test_a_depthwise_convolution_is_a_product_for_each_channel() -> None:
    # 2 channels of 4x4: 16 outputs, 9 weights, 1 filter: four tiles of 4x1, 9 + 4 cycles each.
    conv = Conv(2, 2, (3, 3), padding=(1, 1), groups=2)
    assert cycles(conv, (2, 4, 4), SMALL) == 2 * 4 * (9 + 4)
    # Two groups of 3 channels to 2: 16 outputs, 27 weights, 2 filters.
    grouped = Conv(6, 4, (3, 3), padding=(1, 1), groups=2)
    assert cycles(grouped, (6, 4, 4), SMALL) == 2 * 4 * (27 + 4 + 2 - 1)


def test_lines_are_dealt_out_to_rows_that_have_a_link() -> None:
    # 1x3 over 5 channels of 4 lines, 5 + 2 pixels each: 20 lines in 5 batches, 7 pixels in 3.
    conv = Conv(5, 5, (1, 3), padding=(0, 1), groups=5)
    assert cycles(conv, (5, 4, 5), SMALL) == 5 * (3 + 3) * 3
    # 3x1: 6 lines of 5 + 2 pixels: 30 lines in 8 batches, 7 pixels in 3; every second one is kept.
    column = Conv(5, 5, (3, 1), (2, 2), (1, 0), groups=5)
    assert cycles(column, (5, 5, 6), SMALL) == 8 * (3 + 3) * 3 // 2
    # Stride 3 over 75 lines of 228 + 2 pixels, in 25 batches and 33 parts: whole numbers, which
    # no rounding of a third may add a cycle to.
    odd = SystolicArray(rows=3, columns=7, broadcast=True)
    third = Conv(15, 15, (1, 3), (3, 3), (0, 1), groups=15)
    assert cycles(third, (15, 5, 228), odd) == 25 * (7 + 3) * 33 // 3
    # Without links a product for each channel: 20 outputs, 3 weights, 1 filter.
    unlinked = SMALL.replace(broadcast=False)
    assert cycles(conv, (5, 4, 5), unlinked) == 5 * 5 * (3 + 4)


def test_a_tree_costs_what_its_parts_do_and_their_shapes_follow() -> None:
    inner = seq(first=Conv(3, 8, (3, 3), (2, 2), (1, 1)), second=Conv(8, 4))
    # 8x8 to 4x4: 16 x 27 by 27 x 8, then 16 x 8 by 8 x 4.
    expected = SMALL.product(16, 27, 8) + SMALL.product(16, 8, 4)
    assert cycles(inner, (3, 8, 8), SMALL) == expected
    split = layers.Split(named(a=Conv(2, 2), b=Conv(2, 2)))
    assert cycles(split, (4, 4, 4), SMALL) == 2 * SMALL.product(16, 2, 2)
    body = named(pool=layers.GlobalPool(), flat=layers.Flatten(), fc=Linear(3, 10))
    head = layers.AuxHead(body, weight=0.3)
    assert cycles(head, (3, 8, 8), SMALL) == 0


FREE: list[Layer] = [
    layers.Norm(3), layers.Act("relu"), layers.GlobalPool(), layers.Pool("max", (2, 2), (2, 2)),
    layers.Pad(1), layers.ZeroPadShortcut(3, 5, 2), layers.Shift(3), layers.Scale(0.5),
    layers.Flatten(), layers.Dropout(0.1), layers.DropPath(0.1), layers.LayerNorm(3),
    layers.LayerScale(3, 0.1), layers.ChannelShuffle(3),
]  # fmt: skip
CONV = named(conv=Conv(3, 3))  # on 8x8: 64 x 3 by 3 x 3, in 16 tiles of 4x3
COST = 16 * (3 + 4 + 3 - 1)
MADE: list[tuple[Layer, int]] = [
    (layers.Seq(CONV), COST),
    (layers.Residual(CONV), COST),
    (layers.Concat(CONV), COST),
    (layers.Sum(CONV), COST),
    (layers.Split(CONV), COST),
    (layers.Gate(named(pool=layers.GlobalPool(), conv=Conv(3, 3))), 3 + 1 + 3 - 1),
    (layers.AuxHead(CONV, weight=0.3), 0),
    # 16 strips x 3 by 3 x 2 in 4 tiles, then twice 8 x 2 by 2 x 3 in 2 tiles.
    (
        layers.CoordinateGate(named(trunk=Conv(3, 2), rows=Conv(2, 3), columns=Conv(2, 3))),
        (4 * 2 + 16 + 4 * 2) + 2 * (2 * 1 + 8 + 2 * 3),
    ),
    (Conv(3, 3), COST),
]


def test_every_layer_of_the_algebra_has_its_mapping() -> None:
    named_layers = (getattr(layers, name) for name in layers.__all__)
    kinds = {kind for kind in named_layers if hasattr(kind, "tag")}
    of_maps = {type(layer) for layer in FREE} | {type(layer) for layer, _ in MADE}
    assert of_maps == kinds - {Linear, layers.ChannelConv}
    assert [cycles(layer, (3, 8, 8), SMALL) for layer in FREE] == [0] * len(FREE)
    assert [cycles(layer, (3, 8, 8), SMALL) for layer, _ in MADE] == [cost for _, cost in MADE]
    assert cycles(Linear(5, 7), (5,), SMALL) == 3 * 5 + 7  # three tiles: 1x3, 1x3, 1x1
    # 6 places x 5 by 5 x 1, in two tiles of 4x1 and 2x1.
    assert cycles(layers.ChannelConv(5), (6,), SMALL) == (5 + 4 + 1 - 1) + (5 + 2 + 1 - 1)


# FuSeConv's table of speed-ups over the same network with KxK depthwise filters, 64 x 64 array,
# 224 x 224 (DATE 2021, table 1, and the authors' repository): full, half. MobileNetV3-Small's are
# those of its own table 2, which always expands, and gates the last convolution too.
FULL, HALF = "all.depthwise=fuse", "all.depthwise=fuse_half"
V3 = ("2.expand=always",)
SMALL_HEAD = ("13.se=true",)


@pytest.mark.parametrize(
    ("name", "as_published", "edit", "speed_up"),
    [
        ("mobilenet_v1", (), FULL, 4.1),
        ("mobilenet_v1", (), HALF, 6.76),
        ("mobilenet_v2", (), FULL, 5.1),
        ("mobilenet_v2", (), HALF, 7.23),
        ("mnasnet1_0", (), FULL, 5.06),
        ("mnasnet1_0", (), HALF, 7.15),
        ("mobilenet_v3_small", (*V3, *SMALL_HEAD), FULL, 3.02),
        ("mobilenet_v3_small", (*V3, *SMALL_HEAD), HALF, 4.16),
        ("mobilenet_v3_large", V3, FULL, 3.61),
        ("mobilenet_v3_large", V3, HALF, 5.45),
    ],
)
def test_the_published_speed_ups(
    name: str, as_published: tuple[str, ...], edit: str, speed_up: float
) -> None:
    array = load_hardware("systolic64", SystolicArray)
    spec = load_spec(name)
    if as_published:
        spec = spec.edit(*as_published)
    counts = [cycles(network.layers(), (3, 224, 224), array) for network in (spec, spec.edit(edit))]
    assert counts[0] / counts[1] == pytest.approx(speed_up, rel=0.01)


def test_hardware_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("rows = 16\ncolumns = 8\n")
    assert load_hardware(path, SystolicArray) == SystolicArray(rows=16, columns=8)
    path.write_text("rows = 0\ncolumns = 8\n")
    with pytest.raises(InputError, match=r"mine.toml: rows"):
        load_hardware(path, SystolicArray)
    with pytest.raises(InputError, match="did you mean 'systolic64'"):
        load_hardware("systolic32", SystolicArray)
