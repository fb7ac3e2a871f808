"""Costs of many variants: equal to those of the specs themselves and to fvcore's, and fast."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseablate.cost import variants as variants_module
from fuseablate.cost.costs import measure
from fuseablate.cost.variants import Variants
from fuseablate.errors import InputError
from fuseablate.layers import Conv, Cost, Layer, Shape, seq
from fuseablate.network.builder import build
from fuseablate.network.check import count_macs
from fuseablate.ops import Settings
from fuseablate.ops.inverted import MBConv
from fuseablate.plugins import register
from fuseablate.plugins.registry import remove
from fuseablate.spec import row_editor as row_editor_module
from fuseablate.spec.catalog import load_spec
from fuseablate.spec.keys import Size
from fuseablate.spec.spec import Spec
from tests.helpers.study_file import SPEC

BASE = Spec.from_dict(tomllib.loads(SPEC))
EDITS = (
    "fuse.variant=half", "fuse.op=mbconv", "3.op=mbconv", "2.kernel=5", "3.kernel=5", "3.kernel=4",
    "fuse.kernel=3", "fuse.exp=x0.5", "2.exp=7", "3.out=24", "all.se=false", "2.se=true",
    "5.se=true", "2.se_reduction=64", "fuse.residual=true", "3.residual=true", "2.residual=true",
    "3.depth=3", "2.depth=2", "all.depth=2", "3.stride=2", "all.nl=gelu", "4.nl=relu",
    "fuse.variant=full", "fuse@2-3.exp=24", "5.out=4", "5.form=linear", "4.depth=2",
    "classes=7", "divisor=4", "dropout=0.5", "input=9", "all.order=Kx1,1xK", "2.nothing=1",
    "scale.width=x1.5", "scale.width=x1",
)  # fmt: skip


def slowly(spec: Spec, texts: list[str], size: Size | None) -> Cost | None:
    try:
        return measure(spec.edit_sampled(*texts), size)
    except InputError:
        return None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(EDITS), max_size=6), st.sampled_from([None, (16, 16), (9, 12)]))
def test_a_variant_costs_what_its_spec_does(texts: list[str], size: Size | None) -> None:
    counted = Variants(BASE, size).count(texts)
    assert (counted and counted.cost) == slowly(BASE, texts, size)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(EDITS), max_size=4), min_size=5, max_size=12))
def test_what_is_remembered_changes_nothing(every: list[list[str]]) -> None:
    spec = BASE.edit("3.depth=2")  # a table that has repeats already
    variants = Variants(spec)
    for texts in (*every, *every):
        counted = variants.count(texts)
        assert (counted and counted.cost) == slowly(spec, texts, None)


def test_by_hand() -> None:
    # Row 3: two kernels of 5 over 16 channels on 4 x 4 maps, and then two of 3.
    counted = (Variants(BASE).count(texts) for texts in ([], ["3.kernel=3"]))
    before, after = (variant.cost for variant in counted if variant)
    assert (before.params, before.macs) == (2728, 47168)
    assert before.params - after.params == 2 * 2 * 16
    assert before.macs - after.macs == 2 * 2 * 16 * 4 * 4


def test_tables_differ_where_cells_do() -> None:
    variants = Variants(BASE)

    def table(*texts: str) -> int:
        counted = variants.count(texts)
        assert counted
        return counted.table

    assert table() == table("3.kernel=5") == table("fuse.variant=full")
    assert table("fuse.nl=gelu") == table("2.nl=gelu", "3.nl=gelu") != table()
    assert table("3.depth=2") != table()
    assert table("dropout=0.5") != table("dropout=0.4")
    assert table("norm_eps=0.001") != table("norm_eps=0.002")


def test_what_is_forgotten_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants_module, "COSTED_ROWS", 20)
    monkeypatch.setattr(row_editor_module, "MOST_ROWS", 20)
    monkeypatch.setattr(row_editor_module, "MOST_PLANS", 2)
    variants = Variants(BASE)
    for exp in range(8, 200):
        texts = [f"3.exp={exp}", *(["2.kernel=5"] if exp % 2 else []), f"3.depth={exp % 3 + 1}"]
        counted = variants.count(texts)
        assert (counted and counted.cost) == slowly(BASE, texts, None)


@dataclass(frozen=True, kw_only=True)
class EndsInSides(MBConv):
    """Reads the sides of the map, which the class that it extends does not."""

    op: ClassVar[str] = "ends_in_sides"
    title: ClassVar[str] = "Sides"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        more = Conv(self.out, self.out, bias=shape[1] > 4)
        return seq(body=super().layers(shape, settings), more=more)


def test_an_op_that_reads_the_sides_has_a_tree_for_each_size() -> None:
    # Row 2 gets maps of 8 x 8 at the table's own size, and of 4 x 4 at the other.
    register("ops", "ends_in_sides", EndsInSides)
    try:
        for size in (None, (8, 8)):
            counted = Variants(BASE, size).count(["2.op=ends_in_sides"])
            assert (counted and counted.cost) == slowly(BASE, ["2.op=ends_in_sides"], size)
    finally:
        remove("ops", "ends_in_sides")


def test_a_text_that_is_no_edit_is_an_error() -> None:
    with pytest.raises(InputError, match="is not of the form"):
        Variants(BASE).count(["kernel"])


def best(times: int, work: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some tries."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_a_cost_is_a_thousand_times_as_fast_as_a_trace_and_equal() -> None:
    """The trace alone counts, without building the network; both sides have been run before."""
    spec, size = load_spec("fusenet"), (32, 32)
    network = build(spec, size=size).eval()
    image = torch.zeros(1, 3, *size)
    assert count_macs(network, image)[""] == measure(spec, size).macs
    assert sum(p.numel() for p in network.parameters()) == measure(spec, size).params
    trace = best(3, lambda: count_macs(network, image))

    again = 100
    alone = best(5, lambda: [measure(spec, size) for _ in range(again)]) / again
    assert trace / alone >= 1000, f"{trace / alone:.0f} times: {trace:.3f} s and {alone:.6f} s"

    # Variants that differ from each other, made from their edits: each of them another table.
    kernels = [f"{row}.kernel={size}" for row in range(2, 13) for size in (7, 9)]
    pairs = [[kernel, other] for kernel in kernels for other in kernels if kernel[:2] < other[:2]]
    variants = Variants(spec, size)
    seconds = best(5, lambda: [variants.count(texts) for texts in pairs]) / len(pairs)
    assert trace / seconds >= 1000, f"{trace / seconds:.0f} times: {trace:.3f} and {seconds:.6f} s"
    counted = variants.count(pairs[5])
    other = build(spec.edit(*pairs[5]), size=size).eval()
    assert counted
    assert counted.cost.macs == count_macs(other, image)[""]
