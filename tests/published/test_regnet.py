"""RegNets against torchvision, the rule that generates them, and the report's per-layer table."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.regnet import BlockParams

from fuseablate import InputError, build, load_spec, measure
from fuseablate.network.pretrained import Published
from fuseablate.ops.regnet import RegNet
from fuseablate.spec.spec import Spec, to_toml
from tests.helpers.references import check_costs, same_function, same_size

# The report's table: each layer, its output shape and its params. Activations are not listed.
PRINTED = """
Conv2d-1 32x56x56 864
BatchNorm2d-2 32x56x56 64
Stem-3 32x56x56 0
Conv2d-4 32x56x56 1024
BatchNorm2d-5 32x56x56 64
Conv2d-6 32x56x56 2304
BatchNorm2d-7 32x56x56 64
Conv2d-8 24x56x56 768
BatchNorm2d-9 24x56x56 48
Conv2d-10 24x56x56 768
BatchNorm2d-11 24x56x56 48
Downsample-12 24x56x56 0
XBlock-13 24x56x56 0
Layer-14 24x56x56 0
Conv2d-15 24x56x56 576
BatchNorm2d-16 24x56x56 48
Conv2d-17 24x28x28 1728
BatchNorm2d-18 24x28x28 48
Conv2d-19 64x28x28 1536
BatchNorm2d-20 64x28x28 128
Conv2d-21 64x28x28 1536
BatchNorm2d-22 64x28x28 128
Downsample-23 64x28x28 0
XBlock-24 64x28x28 0
Layer-25 64x28x28 0
Conv2d-26 64x28x28 4096
BatchNorm2d-27 64x28x28 128
Conv2d-28 64x14x14 4608
BatchNorm2d-29 64x14x14 128
Conv2d-30 152x14x14 9728
BatchNorm2d-31 152x14x14 304
Conv2d-32 152x14x14 9728
BatchNorm2d-33 152x14x14 304
Downsample-34 152x14x14 0
XBlock-35 152x14x14 0
Conv2d-36 152x14x14 23104
BatchNorm2d-37 152x14x14 304
Conv2d-38 152x14x14 10944
BatchNorm2d-39 152x14x14 304
Conv2d-40 152x14x14 23104
BatchNorm2d-41 152x14x14 304
XBlock-42 152x14x14 0
Conv2d-43 152x14x14 23104
BatchNorm2d-44 152x14x14 304
Conv2d-45 152x14x14 10944
BatchNorm2d-46 152x14x14 304
Conv2d-47 152x14x14 23104
BatchNorm2d-48 152x14x14 304
XBlock-49 152x14x14 0
Conv2d-50 152x14x14 23104
BatchNorm2d-51 152x14x14 304
Conv2d-52 152x14x14 10944
BatchNorm2d-53 152x14x14 304
Conv2d-54 152x14x14 23104
BatchNorm2d-55 152x14x14 304
XBlock-56 152x14x14 0
Layer-57 152x14x14 0
Conv2d-58 152x14x14 23104
BatchNorm2d-59 152x14x14 304
Conv2d-60 152x7x7 10944
BatchNorm2d-61 152x7x7 304
Conv2d-62 376x7x7 57152
BatchNorm2d-63 376x7x7 752
Conv2d-64 376x7x7 57152
BatchNorm2d-65 376x7x7 752
Downsample-66 376x7x7 0
XBlock-67 376x7x7 0
Conv2d-68 376x7x7 141376
BatchNorm2d-69 376x7x7 752
Conv2d-70 376x7x7 27072
BatchNorm2d-71 376x7x7 752
Conv2d-72 376x7x7 141376
BatchNorm2d-73 376x7x7 752
XBlock-74 376x7x7 0
Conv2d-75 376x7x7 141376
BatchNorm2d-76 376x7x7 752
Conv2d-77 376x7x7 27072
BatchNorm2d-78 376x7x7 752
Conv2d-79 376x7x7 141376
BatchNorm2d-80 376x7x7 752
XBlock-81 376x7x7 0
Conv2d-82 376x7x7 141376
BatchNorm2d-83 376x7x7 752
Conv2d-84 376x7x7 27072
BatchNorm2d-85 376x7x7 752
Conv2d-86 376x7x7 141376
BatchNorm2d-87 376x7x7 752
XBlock-88 376x7x7 0
Conv2d-89 376x7x7 141376
BatchNorm2d-90 376x7x7 752
Conv2d-91 376x7x7 27072
BatchNorm2d-92 376x7x7 752
Conv2d-93 376x7x7 141376
BatchNorm2d-94 376x7x7 752
XBlock-95 376x7x7 0
Conv2d-96 376x7x7 141376
BatchNorm2d-97 376x7x7 752
Conv2d-98 376x7x7 27072
BatchNorm2d-99 376x7x7 752
Conv2d-100 376x7x7 141376
BatchNorm2d-101 376x7x7 752
XBlock-102 376x7x7 0
Conv2d-103 376x7x7 141376
BatchNorm2d-104 376x7x7 752
Conv2d-105 376x7x7 27072
BatchNorm2d-106 376x7x7 752
Conv2d-107 376x7x7 141376
BatchNorm2d-108 376x7x7 752
XBlock-109 376x7x7 0
Layer-110 376x7x7 0
AdaptiveAvgPool2d-111 376x1x1 0
Linear-112 100 37700
Head-113 100 0
"""
NAMES = [
    *(f"regnet_x_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    "regnet_y_128gf",
]
LISTED = (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d, nn.Linear)


def reference(name: str) -> nn.Module:
    """Return torchvision's network of that name."""
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    return network


def printed(*kinds: str) -> list[tuple[str, str, int]]:
    """Return the printed lines of these types of layers: type, output shape, params."""
    lines = [line.split() for line in PRINTED.strip().splitlines()]
    printed_layers = [
        (layer.partition("-")[0], shape, int(params)) for layer, shape, params in lines
    ]
    return [line for line in printed_layers if line[0] in kinds]


@pytest.fixture
def _rule_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision compute the widths, which needs numbers, while it builds without any."""
    rule = BlockParams.from_init_params

    def on_cpu(*args: Any, **parameters: Any) -> BlockParams:
        with torch.device("cpu"):
            return rule(*args, **parameters)

    monkeypatch.setattr(BlockParams, "from_init_params", on_cpu)


@pytest.mark.usefixtures("_rule_on_cpu")
@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf"])
def test_the_same_function_as_torchvisions(name: str) -> None:
    gradients, last = name == "regnet_y_400mf", Published.read(f"torchvision:{name}").last
    same_function(load_spec(name), lambda: reference(name), (40, 33), last, gradients=gradients)


@pytest.mark.usefixtures("_rule_on_cpu")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_size_as_torchvisions(name: str) -> None:
    same_size(load_spec(name), lambda: reference(name))


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf", "regnetx_report"])
def test_the_cifar_form(name: str) -> None:
    cifar = load_spec(f"{name}:cifar")
    assert (cifar.input, cifar.classes) == ((32, 32), 100)
    assert [t.in_shape[1:] for t in cifar.infer() if t.row.op == "pool"] == [(4, 4)]
    check_costs(cifar)


def test_the_rule_is_torchvisions() -> None:
    draw = random.Random(0)
    for _ in range(300):
        depth, initial = draw.randint(1, 40), 8 * draw.randint(1, 32)
        slope, quantisation = round(draw.uniform(5, 256), 2), round(draw.uniform(1.5, 3), 2)
        group_width, bottleneck = 8 * draw.randint(1, 16), draw.choice([0.25, 0.5, 1, 2, 4])
        expected = BlockParams.from_init_params(
            depth, initial, slope, quantisation, group_width, 1 / bottleneck
        )
        stages = RegNet(
            depth=depth,
            initial=initial,
            slope=slope,
            quantisation=quantisation,
            bottleneck=bottleneck,
            group_width=group_width,
        ).stages()
        assert [stage.out for stage in stages] == expected.widths
        assert [stage.depth for stage in stages] == expected.depths
        assert [stage.group_width for stage in stages] == expected.group_widths
        assert [stage.inner for stage in stages] == [
            round(width / bottleneck) for width in expected.widths
        ]


def test_the_rule_by_hand() -> None:
    # The report's widths before they are quantised: 24, 60, 96, ..., 24 + 36 x 12 = 456. As powers
    # of 2.5 times 24 that is 0, 1, 1.5 (round: 2), 1.9, ... 2.4 (2), then 2.6 to 3.2 (3).
    rule = RegNet(depth=13, initial=24, slope=36, quantisation=2.5, group_width=8)
    assert rule.widths() == [24, 64] + 4 * [152] + 7 * [376]


def test_the_reports_table_line_by_line() -> None:
    network = build(load_spec("regnetx_report")).eval()
    met: list[tuple[str, str, int]] = []

    def note(module: nn.Module, _: object, output: torch.Tensor) -> None:
        shape = "x".join(map(str, output.shape[1:]))
        met.append((type(module).__name__, shape, sum(p.numel() for p in module.parameters())))

    for module in network.modules():
        if isinstance(module, LISTED):
            module.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, 56, 56))
    assert met == printed("Conv2d", "BatchNorm2d", "AdaptiveAvgPool2d", "Linear")
    assert sum(params for *_, params in met) == 2_275_604


def test_the_reports_blocks_and_totals() -> None:
    spec = load_spec("regnetx_report")
    assert measure(spec).params == 2_275_604
    blocks = ["x".join(map(str, t.out_shape)) for t in spec.infer() if t.row.op == "bottle"]
    assert blocks == [shape for _, shape, _ in printed("XBlock")]
    # "Params size (MB): 8.68", in units of 1024 x 1024 bytes
    assert round(4 * measure(spec).params / 2**20, 2) == 8.68
    check_costs(spec)


def test_ids_count_on_after_the_stages(tmp_path: Path) -> None:
    spec = load_spec("regnetx_report")
    bases = list(dict.fromkeys(row.base for row in spec.rows))
    assert bases == ["1", "2", "3", "4", "5", "6", "7"]
    assert [row.op for row in spec.rows if row.base in ("1", "6", "7")] == ["conv", "pool", "conv"]
    path = tmp_path / "net.toml"
    path.write_text(to_toml(spec), encoding="utf-8")
    assert load_spec(path).rows == spec.rows


def test_regnetys_gate_is_regnetxs_with_se() -> None:
    # A gate of width 48 in a block of 32 channels: 48 to 8 and back, with biases.
    y = load_spec("regnet_y_400mf")
    without = y.edit("2.se=false")
    gate = 48 * 8 + 8 + 8 * 48 + 48
    assert measure(y).params - measure(without).params == gate


def spec_of(row: str) -> Spec:
    """Return a small network with a generated row."""
    head = {"op": "conv", "kernel": 3, "out": 32, "norm": "batch", "nl": "relu"}
    cells = dict(re.findall(r"(\w+)=(\S+)", row))
    values = {name: float(text) if "." in text else int(text) for name, text in cells.items()}
    tail = {"op": "conv", "kernel": 1, "out": "classes"}
    rows = [head, {"op": "regnet", **values}, {"op": "pool"}, tail]
    return Spec.from_dict({"input": 32, "classes": 10, "rows": rows})


GOOD = "depth=13 initial=24 slope=36 quantisation=2.5 group_width=8"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("initial=24", "initial=20", "row 2: initial 20 is not a multiple of 8; use 24"),
        ("initial=24", "", "row 2: op 'regnet' needs a value for 'initial'"),
        ("quantisation=2.5", "quantisation=1.0", "row 2: quantisation: 1.0 is out of range"),
        ("depth=13", "depth=0", "row 2: depth: 0 is too small"),
        ("depth=13", "depth=13 id=2", "row 2: op 'regnet' stands for several rows; leave 'id' out"),
        ("depth=13", "depth=13 out=2", "leave 'out' out"),
        ("depth=13", "depht=13", "row 2: op 'regnet' needs a value for 'depth'"),
        ("depth=13", "depth=13 kernl=3", "row 2: unknown field of op 'bottle' 'kernl'"),
    ],
)
def test_a_bad_rule_is_one_line(old: str, new: str, message: str) -> None:
    assert len(spec_of(GOOD).rows) == 1 + 13 + 2
    with pytest.raises(InputError) as error:
        spec_of(GOOD.replace(old, new))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
