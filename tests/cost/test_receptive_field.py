"""Receptive fields against gradients through the built network, and against arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fuseablate import build, load_spec
from fuseablate.cost.receptive_field import (
    Axis,
    ReceptiveField,
    field_after,
    receptive_fields,
    unmet,
)
from fuseablate.layers import (
    Conv,
    Flatten,
    GlobalPool,
    Pad,
    Pool,
    Residual,
    Shift,
    ZeroPadShortcut,
    named,
    seq,
)


def extent(field: ReceptiveField) -> list[float]:
    return list(field.extent)


def test_windows_one_behind_the_other() -> None:
    # 3x3 stride 2, then 3x3: 3 + 2 x 2 = 7 pixels wide, two apart, the first from -1 - 2 on.
    body = seq(first=Conv(3, 4, (3, 3), (2, 2), (1, 1)), second=Conv(4, 4, (3, 3), padding=(1, 1)))
    axis = Axis(-3, 3, 2)
    assert field_after(body, ReceptiveField(), (3, 9, 9)) == ReceptiveField(axis, axis)
    assert extent(field_after(body, ReceptiveField(), (3, 9, 9))) == [7, 7]


def test_a_pair_of_lines_sees_a_cross_and_its_frame_is_both() -> None:
    down = field_after(Conv(2, 2, (5, 1), padding=(2, 0)), ReceptiveField(), (2, 9, 9))
    assert extent(down) == [5, 1]
    assert extent(field_after(Shift(3), ReceptiveField(), (9, 9, 9))) == [3, 3]
    assert field_after(Residual(named(a=Conv(2, 2))), down, (2, 9, 9)) == down
    assert extent(field_after(GlobalPool(), down, (2, 9, 9))) == [math.inf, math.inf]
    assert field_after(GlobalPool(), down, (2, 1, 1)) == down
    assert field_after(Flatten(), down, (2, 1, 2)).sees((224, 224))
    assert field_after(Pool("max", (2, 2), (2, 2)), down, (2, 8, 8)).step == (2, 2)


def test_padding_and_a_shortcut_that_skips_pixels() -> None:
    # Position 0 behind two zeros is the image's -2; 3x3 behind it reads on to 0.
    padded = field_after(Pad(2), ReceptiveField(), (2, 9, 9))
    assert padded.down == padded.across == Axis(-2, -2, 1)
    assert field_after(Conv(2, 2, (3, 3)), padded, (2, 13, 13)).down == Axis(-2, 0, 1)
    cut = field_after(ZeroPadShortcut(2, 4, 3), ReceptiveField(), (2, 9, 9))
    assert cut.down == cut.across == Axis(0, 0, 3)


def test_on_a_map_of_one_pixel_only_the_middle_of_a_kernel_works() -> None:
    conv = Conv(4, 8, (3, 3), padding=(1, 1))
    assert unmet(conv, (4, 1, 1)) == (8 * 4 * 8, 8 * 4 * 8)
    assert unmet(conv, (4, 2, 2)) == (0, 0)
    # Stride 2 over 2x2: one position, from -1 to 1: the first of three meets padding alone.
    strided = Conv(4, 8, (3, 3), (2, 2), (1, 1))
    assert unmet(strided, (4, 2, 2)) == ((9 - 4) * 32, (9 - 4) * 32)
    # 5x5 over 2x1: down, taps 1 to 3 of five meet a pixel; across the middle one.
    assert unmet(Conv(4, 8, (5, 5), padding=(2, 2)), (4, 2, 1)).params == (25 - 3) * 32
    # 3x3 over 1x5: the middle row of three meets pixels, at each of five positions.
    assert unmet(conv, (4, 1, 5)) == (6 * 32, 6 * 32 * 5)


@pytest.mark.parametrize(
    ("name", "edits", "size"),
    [
        ("fusenet", ("all.se=false",), (40, 33)),
        ("fusenet", ("all.se=false", "fuse.op=mbconv", "all.residual=true"), (32, 32)),
        pytest.param("mobilenet_v2:cifar", (), (32, 32), marks=pytest.mark.slow),
        ("resnet20", (), (32, 32)),
        ("shiftnet", (), (64, 64)),
        ("squeezenet1_1", (), (67, 67)),
        pytest.param("googlenet", (), (64, 64), marks=pytest.mark.slow),
        pytest.param("densenet_tutorial", (), (64, 64), marks=pytest.mark.slow),
    ],
)
def test_gradients_reach_as_far_as_the_field_says(
    name: str, edits: tuple[str, ...], size: tuple[int, int]
) -> None:
    """For every row that has a map, at its first, middle and last position, down and across."""
    spec = load_spec(name)
    spec = spec.edit(*edits) if edits else spec
    network = build(spec, size=size).double().train()
    for parameter in network.parameters():
        parameter.data.uniform_(0.5, 1)  # nothing cancels, and nothing is cut off
    image = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    maps = []
    rows = network.get_submodule("rows")
    x = image
    for row, child in zip(spec.infer(size), rows.children(), strict=True):
        x = smooth(child)(x)
        maps.append((row, x))
    for (row, x), field in zip(maps, receptive_fields(spec, size), strict=True):
        if len(row.out_shape) != 3 or math.inf in field.after.extent:
            continue
        _, high, wide = row.out_shape
        for down, across in ((0, 0), (high // 2, wide // 2), (high - 1, wide - 1)):
            (gradient,) = torch.autograd.grad(x[:, :, down, across].sum(), image, retain_graph=True)
            reached = gradient.abs().sum((0, 1))
            for axis, at, side, along in (
                (field.after.down, down, size[0], reached.sum(1)),
                (field.after.across, across, size[1], reached.sum(0)),
            ):
                pixels = along.nonzero().flatten().tolist()
                first = max(axis.first + at * axis.step, 0)
                last = min(axis.last + at * axis.step, side - 1)
                assert (pixels[0], pixels[-1]) == (first, last), row.row.id


def smooth(module: nn.Module) -> nn.Module:
    """Take out what gathers over the map or cuts gradients off: norms, dropout, activations."""
    if isinstance(module, nn.MaxPool2d):
        return nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
    if isinstance(module, nn.Conv2d | nn.AvgPool2d | nn.ZeroPad2d):
        return module
    children = dict(module.named_children())
    if not children and type(module).__module__.startswith("torch."):
        return nn.Identity()
    for name, child in children.items():
        setattr(module, name, smooth(child))
    return module


def test_fusenet_at_32x32_sees_the_image_from_row_five_on_and_works_on_single_pixels() -> None:
    rows = {field.row.row.id: field for field in receptive_fields(load_spec("fusenet"), (32, 32))}
    # Row 1: 3x3 stride 2; each FuSe row of kernel k at stride s adds (k - 1) times the step.
    assert extent(rows["1"].after) == [3, 3]
    assert extent(rows["2"].after) == [3 + 2 * 2, 3 + 2 * 2]
    assert extent(rows["3"].after) == [7 + 2 * 4, 7 + 2 * 4]
    on_one_pixel = [id for id, field in rows.items() if field.row.in_shape[1:] == (1, 1)]
    assert on_one_pixel
    assert all(rows[id].unmet.params > 0 for id in on_one_pixel if rows[id].row.row.op == "fuse")
