"""GoogLeNet, Inception v2 to v4 and Inception-ResNet, against torchvision, timm and by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import nn
from torchvision.models.googlenet import InceptionAux as GoogLeNetAux
from torchvision.models.inception import InceptionAux

from fuseablate import InputError, Spec, load_spec, measure
from fuseablate.network.builder import to_module
from fuseablate.network.modules import AuxHead
from fuseablate.network.pretrained import Published
from tests.helpers.references import check_costs, converted, randomise, same_function, same_size


def googlenet() -> nn.Module:
    network: nn.Module = torchvision.models.googlenet(aux_logits=True, init_weights=False)
    return network


def inception_v3(aux_logits: bool = True) -> nn.Module:
    network: nn.Module = torchvision.models.inception_v3(aux_logits=aux_logits, init_weights=False)
    return network


def test_googlenet_is_torchvisions() -> None:
    spec, last = load_spec("googlenet"), Published.read("torchvision:googlenet").last
    same_function(spec, googlenet, (33, 40), last, gradients=True)
    same_size(spec, googlenet)
    check_costs(spec, (32, 32))
    check_costs(load_spec("googlenet:cifar"), (32, 32))


def test_inception_v3_is_torchvisions() -> None:
    spec = load_spec("inception_v3")
    same_size(spec, inception_v3)
    # At the smallest size torchvision's own head has no map to pool, and does not run either.
    same_function(spec.edit("aux.weight=0"), lambda: inception_v3(aux_logits=False), (75, 75))


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2"])
def test_the_same_function_as_timms(name: str) -> None:
    same_function(load_spec(name), lambda: timm.create_model(name), (75, 75))


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2"])
def test_the_same_size_as_timms(name: str) -> None:
    same_size(load_spec(name), lambda: timm.create_model(name))


@pytest.mark.parametrize(
    ("name", "row", "reference"),
    [
        ("googlenet", "10", lambda: GoogLeNetAux(512, 1000, dropout=0.0)),
        ("inception_v3", "14", lambda: InceptionAux(768, 1000)),
    ],
)
def test_the_head_at_the_side_is_torchvisions(
    name: str, row: str, reference: Callable[[], nn.Module]
) -> None:
    spec = load_spec(name)
    if name == "googlenet":
        spec = spec.edit("aux.drop=0")
    (inferred,) = (inferred for inferred in spec.infer() if inferred.row.id == row)
    theirs = reference()
    randomise(theirs)
    ours = to_module(inferred.layer)
    ours.load_state_dict(converted(ours, theirs.state_dict()))
    x = torch.randn(3, *inferred.in_shape, generator=torch.Generator().manual_seed(2))
    (tap,) = (module for module in ours.modules() if isinstance(module, AuxHead))
    assert torch.equal(ours(x), x)
    expected = theirs(x)
    assert expected.std(dim=0).max() > 0.01
    torch.testing.assert_close(tap.logits, expected, rtol=1e-4, atol=1e-4)
    ours.eval()(x)
    assert tap.logits is None


def normed(*convolutions: tuple[int, int, int]) -> int:
    """Return the params of convolutions (taps, in, out), each with a batch norm."""
    return sum(taps * cin * cout + 2 * cout for taps, cin, cout in convolutions)


def biased(cin: int, cout: int) -> int:
    return cin * cout + cout


STEM = [(9, 3, 32), (9, 32, 32), (9, 32, 64)]


def rows_params(spec: Spec) -> list[int]:
    return [row.cost.params for row in spec.infer() if row.cost.params]


def test_inception_v2_by_hand() -> None:
    spec = load_spec("inception_v2")
    figure5 = normed((1, 288, 64), (1, 288, 48), (9, 48, 64), (1, 288, 64), (9, 64, 96),
                     (9, 96, 96), (1, 288, 64))  # fmt: skip

    def figure6(c: int) -> int:
        return normed((1, 768, 192), (1, 768, c), (7, c, c), (7, c, 192), (1, 768, c), (7, c, c),
                      (7, c, c), (7, c, c), (7, c, 192), (1, 768, 192))  # fmt: skip

    def figure7(cin: int) -> int:
        return normed((1, cin, 320), (1, cin, 384), (3, 384, 384), (3, 384, 384), (1, cin, 448),
                      (9, 448, 384), (3, 384, 384), (3, 384, 384), (1, cin, 192))  # fmt: skip

    side = biased(768, 128) + 25 * 128 * 768 + 768 + biased(768, 1000)
    first = normed((9, 288, 384), (1, 288, 64), (9, 64, 96), (9, 96, 96))
    second = normed((1, 768, 192), (9, 192, 320), (1, 768, 192), (7, 192, 192), (7, 192, 192),
                    (9, 192, 192))  # fmt: skip
    assert rows_params(spec) == [
        *(normed(conv) for conv in [*STEM, (9, 64, 80), (9, 80, 192), (9, 192, 288)]),
        *[figure5] * 3, first, figure6(128), *[figure6(160)] * 2, *[figure6(192)] * 2, side,
        second, figure7(1280), figure7(2048), biased(2048, 1000),
    ]  # fmt: skip
    # The maps of the paper's table 1, which lists what goes into each of its lines.
    inputs = {row.row.id: row.in_shape[::-1] for row in spec.infer()}
    assert [inputs[id] for id in ("1", "2", "3", "4", "5", "6", "7", "8", "10", "15", "16")] == [
        (299, 299, 3), (149, 149, 32), (147, 147, 32), (147, 147, 64), (73, 73, 64), (71, 71, 80),
        (35, 35, 192), (35, 35, 288), (17, 17, 768), (8, 8, 1280), (8, 8, 2048),
    ]  # fmt: skip
    check_costs(load_spec("inception_v2:cifar"), (32, 32))


def test_two_3x3_in_place_of_a_5x5_cost_18_25ths() -> None:
    """Section 3.1 of the paper: a net saving of 28%, where the channels stay."""
    spec = load_spec("inception_v2").edit("8/1.b3.out=96", "8/1.norm=none")
    wide = spec.edit("8/1.b3.kernel=1x1,5x5")
    others = 288 * (64 + 48 + 96 + 64) + 9 * 48 * 64
    small, large = (network.infer()[7].cost.params - others for network in (spec, wide))
    assert (small, large) == (18 * 96 * 96, 25 * 96 * 96)


def test_inception_resnet_v1_by_hand() -> None:
    spec = load_spec("inception_resnet_v1")
    a = normed((1, 256, 32), (1, 256, 32), (9, 32, 32), (1, 256, 32), (9, 32, 32), (9, 32, 32))
    b = normed((1, 896, 128), (1, 896, 128), (7, 128, 128), (7, 128, 128))
    c = normed((1, 1792, 192), (1, 1792, 192), (3, 192, 192), (3, 192, 192))
    first = normed((9, 256, 384), (1, 256, 192), (9, 192, 192), (9, 192, 256))
    second = normed((1, 896, 256), (9, 256, 384), (1, 896, 256), (9, 256, 256), (1, 896, 256),
                    (9, 256, 256), (9, 256, 256))  # fmt: skip
    assert rows_params(spec) == [
        *(normed(conv) for conv in [*STEM, (1, 64, 80), (9, 80, 192), (9, 192, 256)]),
        *[a + biased(96, 256)] * 5, first, *[b + biased(256, 896)] * 10, second,
        *[c + biased(384, 1792)] * 5, biased(1792, 1000),
    ]  # fmt: skip
    # Figure 15's shapes.
    shapes = {row.row.id: row.out_shape[::-1] for row in spec.infer()}
    assert [shapes[id] for id in ("7", "8/5", "9", "10/10", "11", "12/5", "13")] == [
        (35, 35, 256), (35, 35, 256), (17, 17, 896), (17, 17, 896), (8, 8, 1792), (8, 8, 1792),
        (1, 1, 1792),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["googlenet", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v1",
     "inception_resnet_v2"],
)  # fmt: skip
def test_the_small_form_ends_in_a_map_of_four(name: str) -> None:
    shapes = [row.in_shape for row in load_spec(f"{name}:cifar").infer() if row.row.op == "pool"]
    assert [shape[1:] for shape in shapes] == [(4, 4)]


@pytest.mark.parametrize(
    "edits",
    [
        ["inception.nl=hswish"],
        ["inception.se=true"],
        ["all.norm=group", "all.weight_std=true"],
        ["inception.norm=none", "inception.bias=true"],
        ["6.b2.kernel=1x7"],
        ["6.b2.kernel=1x1,1x3+3x1", "6.b2.out=96,64"],
        ["inception.b3.kernel=1x1,5x5"],
        ["inception.b2.out=x0.5", "scale.width=x0.5"],
        ["inception.spatial=separable"],
        ["inception.spatial=fuse"],
        ["7.b4.pool=avg", "7.count_padding=false"],
        ["aux.weight=0"],
        ["aux.norm=none", "aux.hidden=64"],
        ["6.b5.pool=max"],
        ["6.op=inception_res", "6.scale=0.2"],
        ["8.op=reduction", "8.b1.kernel=3x3", "8.b1.out=64", "8.b2.pool=max", "8.padding=same"],
    ],
    ids=" ".join,
)
def test_an_edit_means_what_it_costs(edits: list[str]) -> None:
    spec = load_spec("googlenet:cifar").edit("scale.width=x0.25").edit(*edits)
    check_costs(spec, (32, 32))


def test_residual_blocks_keep_their_edits_cost() -> None:
    spec = load_spec("inception_resnet_v1:cifar").edit("scale.width=x0.25")
    for edit in ("inception_res.se=true", "inception_res.residual=false", "drop_path=0.2"):
        check_costs(spec.edit(edit), (32, 32))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("6.b2.kernel=1x1,3x3,3x3", "are 3 convolutions, and out=96,128 are the channels of 2"),
        ("6.b2.kernel=1x1,2x2", "kernel 2 is even"),
        ("6.b2.kernel=1x1,3x3+", "not a kernel"),
        ("6.b5.kernel=3x3", "needs both kernel and out"),
        ("6.b7.kernel=3x3", "b6.kernel"),
        ("all.b5.pool=max", "name one row by its id, as in 6.b5.pool=max"),
        ("6.b1.kernel=0", "0"),
        ("aux.weight=-1", "must be 0 to 10"),
    ],
)
def test_a_bad_edit_is_refused_in_one_line(edit: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        load_spec("googlenet").edit(edit)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_head_at_the_side_costs_params_and_no_macs() -> None:
    spec = load_spec("googlenet")
    without = spec.edit("aux.weight=0")
    heads = sum(
        normed((1, cin, 128)) + biased(2048, 1024) + biased(1024, 1000) for cin in (512, 528)
    )
    assert measure(spec).params - measure(without).params == heads
    assert measure(spec).macs == measure(without).macs


def test_fewer_kernels_than_channels_leave_the_reduction_as_it_is() -> None:
    spec = load_spec("googlenet")
    assert spec.edit("6.b2.kernel=1x7").digest() == spec.edit("6.b2.kernel=1x1,1x7").digest()
    # Row 6 has 192 channels in: a 1x1 to 96, and 1x7 in place of 3x3 from 96 to 128.
    assert measure(spec.edit("6.b2.kernel=1x7")).params - measure(spec).params == 96 * 128 * (7 - 9)


def test_a_map_too_small_for_the_head_is_refused_in_training_only() -> None:
    """At 203x203 row 14 sees 11x11, which the pooling makes 3x3, and the kernel is 5x5."""
    spec = load_spec("inception_v3")
    at_299, at_203 = measure(spec), measure(spec, (203, 203))
    assert at_203.params == at_299.params == 27_161_264
    assert at_203.macs < at_299.macs
    check_costs(spec, (203, 203))
    last = Published.read("torchvision:inception_v3").last
    same_function(spec, inception_v3, (203, 203), last)
    spec.check_trainable()
    with pytest.raises(InputError, match=r"row 14: training runs this head: kernel 5 .* 3x3 map"):
        spec.check_trainable((203, 203))
    spec.edit("14.weight=0").check_trainable((203, 203))


def test_a_batch_of_one_image_in_the_head() -> None:
    """At 299x299 the head's 5x5 kernel makes 1x1 of its 5x5 map; torchvision's trains on two."""
    spec = load_spec("inception_v3")
    with pytest.raises(InputError, match=r"^row 14: batch_size = 1: .* needs at least 2 images$"):
        spec.check_batch(1)
    spec.edit("14.weight=0").check_batch(1)


def test_the_heads_convolutions_have_forms_too() -> None:
    """A 5x5 from 128 to 768 channels: 5x5 a channel with its norm, then 1x1."""
    spec = load_spec("inception_v3")
    less = 128 * 768 * 25 - (128 * 25 + 2 * 128 + 128 * 768)
    assert measure(spec).params - measure(spec.edit("aux.spatial=separable")).params == less
    assert spec.edit("all.spatial=separable").rows[13].values()["spatial"] == "separable"
    small = load_spec("inception_v3:cifar").edit("aux.spatial=separable")
    check_costs(small, (32, 32))
