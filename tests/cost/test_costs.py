"""The table of costs: how numbers of each are written, and what is within a budget."""

from __future__ import annotations

import pytest

from fuseablate import load_spec, measure
from fuseablate.cost import COSTS, SUMMARY, summary, within
from fuseablate.layers import Cost


@pytest.mark.parametrize(
    ("name", "value", "full", "counted", "heading", "label"),
    [
        ("macs", 4_123_392, "4,123,392", "4.12M MACs", "MACs", "MACs"),
        ("params", 3_284_608, "3,284,608", "3.28M params", "Params", "Params"),
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


def test_every_cost_that_is_not_measured_is_read_from_a_cost() -> None:
    cost = measure(load_spec("fusenet"), (32, 32))
    read = {name: kind.get(cost) for name, kind in COSTS.items() if not kind.measured}
    assert {name: read[name] for name in SUMMARY} == {"params": 3_284_608, "macs": 4_123_392}
    assert summary(cost) == "3.28M params, 4.12M MACs"


def test_a_budget_holds_for_each_cost_that_it_names() -> None:
    cost = Cost(params=10, macs=20)
    assert within(cost, {})
    assert within(cost, {"params": 10, "macs": 20})
    assert not within(cost, {"params": 10, "macs": 19})
