"""The table of costs: how numbers of each are written, and what is within a budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate import InputError, layers, load_spec
from fuseablate.cost import COSTS, SUMMARY, cost_kind, cost_kinds, read_costs, summary, within
from fuseablate.cost.machines import load_hardware
from fuseablate.cost.roofline import Processor, roofline
from fuseablate.cost.traffic import EnergyTable, energy, intensity, traffic
from fuseablate.layers import Cost


@pytest.mark.parametrize(
    ("name", "value", "full", "counted", "heading", "label"),
    [
        ("macs", 4_123_392, "4,123,392", "4.12M MACs", "MACs", "MACs"),
        ("params", 3_284_608, "3,284,608", "3.28M params", "Params", "Params"),
        ("params", 999_499, "999,499", "999k params", "Params", "Params"),
        ("params", 999_500, "999,500", "1.00M params", "Params", "Params"),
        ("params", 999, "999", "999 params", "Params", "Params"),
        ("latency", 1.234, "1.23", "1.23 ms", "Latency (ms)", "Latency (ms an image)"),
        ("bytes", 13_212_928, "13.21", "13.21 MB", "Size (MB)", "Size (MB)"),
    ],
)
def test_numbers_as_text(
    name: str, value: float, full: str, counted: str, heading: str, label: str
) -> None:
    kind = COSTS[name]
    assert (kind.full(value), kind.counted(value)) == (full, counted)
    assert (kind.heading, kind.label) == (heading, label)


def test_every_cost_is_told_of_a_row_and_of_a_network() -> None:
    rows = load_spec("fusenet").infer((32, 32))
    computed = {name: kind for name, kind in COSTS.items() if not kind.measured}
    assert {name: computed[name].total(rows) for name in SUMMARY} == {
        "params": 3_284_608,
        "macs": 4_123_392,
    }
    assert summary(Cost(params=3_284_608, macs=4_123_392)) == "3.28M params, 4.12M MACs"
    for kind in computed.values():
        parts = [kind.of(row) for row in rows]
        assert all(part >= 0 for part in parts)
        assert kind.total(rows) == sum(parts) or not kind.sums
        assert kind.total(rows) >= max(parts) or kind.name == "intensity"
        assert kind.total([]) == 0
        assert kind.source
    with pytest.raises(InputError, match=r"^latency is measured, and no table says it$"):
        COSTS["latency"].of(rows[0])


CONV = layers.Conv(2, 3)  # on 4x4: 32 numbers in, 48 out, 6 weights, 6 x 16 MACs
NORM = layers.Norm(3)  # two learned numbers and two running ones a channel
A100, HOROWITZ = load_hardware("a100", Processor), load_hardware("horowitz45", EnergyTable)


def test_bytes_moved_and_what_follows_from_them_by_hand() -> None:
    shape = (2, 4, 4)
    assert traffic(CONV, shape) == 4 * (32 + 48 + 6)
    tree = layers.seq(conv=CONV, norm=NORM, drop=layers.Dropout(0.5))
    assert traffic(tree, shape) == 4 * (86 + 48 + 48 + 12)
    inner = layers.Residual(layers.named(act=layers.Act("relu")))  # reads 1, writes 1, adds 2 to 1
    assert traffic(inner, shape) == 4 * 32 * 5
    both = layers.Concat(layers.named(a=layers.Act("relu"), b=layers.Act("relu")))
    assert traffic(both, shape) == 4 * (4 * 32 + 2 * 64)
    assert traffic(layers.Sum(both.children), shape) == 4 * (4 * 32 + 3 * 32)
    three = layers.Sum((*both.children, ("c", layers.Act("relu"))))  # two additions, one by one
    assert traffic(three, shape) == 4 * (6 * 32 + 2 * 3 * 32)
    gate = layers.Gate(layers.named(pool=layers.GlobalPool()))  # 32 to 2; 32 and 2 to 32
    assert traffic(gate, shape) == 4 * (32 + 2 + 32 + 2 + 32)
    head = layers.AuxHead(layers.named(conv=CONV), weight=0.3)
    assert traffic(head, shape) == 0
    assert intensity(CONV, shape) == 96 / 344
    assert intensity(head, shape) == 0
    # Coordinate attention on 2x4x4, its three children 1x1: 2 to 1 on 8 places, 1 to 2 on 4 each.
    parts = layers.named(both=layers.Conv(2, 1), down=layers.Conv(1, 2), across=layers.Conv(1, 2))
    coordinates = traffic(layers.CoordinateGate(parts), shape)
    assert coordinates == 4 * ((16 + 8 + 2) + 2 * (4 + 8 + 2) + 6 * 32 + 2 * 16)
    # A hundred times the channels squared: its MACs are its limit, and not its bytes.
    wide = layers.Conv(4000, 4000)
    assert roofline(CONV, shape, A100) == pytest.approx(344 / 1555)
    assert roofline(CONV, shape, A100, images=2) == pytest.approx(4 * (2 * 80 + 6) / 1555)
    macs = 4000 * 4000 * 400
    assert roofline(wide, (4000, 20, 20), A100) == pytest.approx(macs / 9750)
    # 4.6 pJ a multiply-accumulate; 1.3 nJ for 8 bytes.
    assert energy(CONV, shape, HOROWITZ) == pytest.approx(96 * 4.6 + 344 / 8 * 1300)


def test_a_cost_is_taken_on_what_stands_behind_the_at(tmp_path: Path) -> None:
    rows = load_spec("fusenet").infer((32, 32))
    assert cost_kind("cycles@systolic64").total(rows) == cost_kind("cycles").total(rows)
    path = tmp_path / "mine.toml"
    path.write_text("rows = 8\ncolumns = 8\n", encoding="utf-8")
    mine = cost_kind(f"cycles@{path}")
    assert mine.heading == "Cycles@mine"
    assert mine.total(rows) > 2 * cost_kind("cycles").total(rows)
    assert cost_kind("array_time").total(rows) == cost_kind("cycles").total(rows)  # ns at 1 GHz
    path.write_text("rows = 64\ncolumns = 64\nbroadcast = true\nclock_mhz = 250\n")
    again = cost_kind(f"cycles@{path}").total(rows)  # the file is another one by now
    assert again == cost_kind("cycles").total(rows)
    slow = cost_kind(f"array_time@{path}").total(rows)
    assert slow == pytest.approx(4 * cost_kind("cycles").total(rows))
    one, two = (cost_kind(f"training_memory@{n}").total(rows) for n in (8, 16))
    images = 3 * 32 * 32 * 4
    assert two - one >= 8 * images
    assert cost_kind("training_memory").total(rows) > two
    for name, said in (
        ("cycle", "did you mean 'cycles'"),
        ("cycles@array", r"unknown hardware 'array' \(choices: systolic64\)$"),
        ("macs@3", "the same on all machines"),
        ("cycles@a100", 'kind = "processor": must be "systolic"'),
        ("training_memory@0", "'0' is not a number of images, such as 128$"),
    ):
        with pytest.raises(InputError, match=said):
            cost_kind(name)


def test_a_cost_that_is_named_twice_is_one_of_its_title(tmp_path: Path) -> None:
    assert [kind.title for kind in cost_kinds(["traffic", "macs", "traffic"])] == [
        "Traffic", "MACs", "Traffic",
    ]  # fmt: skip
    paths = [tmp_path / folder / "mine.toml" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("rows = 8\ncolumns = 8\n", encoding="utf-8")
    first, second = cost_kinds(f"cycles@{path}" for path in paths)
    assert first.title != second.title


def test_names_of_costs_are_each_written_once() -> None:
    assert read_costs("params, cycles@systolic64") == ("params", "cycles@systolic64")
    for text, said in (
        ("params,,macs", "leaves a name out"),
        ("params,params", "'params,params' names 'params' twice; write each column once$"),
        ("latency", "'latency' is measured on a machine, and no table tells it$"),
    ):
        with pytest.raises(InputError, match=said):
            read_costs(text)


def test_a_budget_holds_for_each_cost_that_it_names() -> None:
    costs = {"params": 10, "macs": 20}
    assert within(costs, {})
    assert within(costs, {"params": 10, "macs": 20})
    assert not within(costs, {"params": 10, "macs": 19})
