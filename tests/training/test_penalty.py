"""BSConv-S's penalty: its weights, its value and its gradient, alone and stacked."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from fuseablate import InputError, build, load_spec
from fuseablate.ops import OPS, Settings
from fuseablate.ops.table import read_rows
from fuseablate.recipes import subspaces
from fuseablate.runs import Record, Store
from fuseablate.spec import Spec
from fuseablate.training import SilentProgress, train
from fuseablate.training.loop import Order, train_stack
from fuseablate.training.penalty import penalty
from tests.helpers.op_rows import NEEDED
from tests.helpers.paths import REPOSITORY
from tests.helpers.small_run import small_data, small_recipe, small_spec


def test_the_penalty_by_hand() -> None:
    # Rows (3, 4) and (0, 1): W W^T - 1 is [[24, 4], [4, 0]]. Orthonormal rows cost nothing.
    rows = torch.tensor([[3.0, 4.0], [0.0, 1.0]])[:, :, None, None]
    orthonormal = torch.eye(3)[:2, :, None, None]
    assert penalty([rows]).item() == pytest.approx(math.sqrt(24**2 + 2 * 4**2))
    assert penalty([rows, orthonormal, rows]).item() == pytest.approx(2 * math.sqrt(608))
    weight = orthonormal.clone().requires_grad_()
    penalty([weight]).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert not weight.grad.any()


def test_the_projections_of_inverted_bottlenecks_are_penalised() -> None:
    spec = load_spec("mobilenet_v3_small_cifar_x0_35")
    network = build(spec)
    shapes = [tuple(network.get_parameter(name).shape) for name in subspaces(spec.layers())]
    # int(0.35 * n) of the paper's expansions and outs; the last convolutions are none.
    outs = [5, 8, 8, 14, 14, 14, 16, 16, 33, 33, 33]
    exps = [5, 25, 30, 33, 84, 84, 42, 50, 100, 201, 201]
    assert shapes == [(out, exp, 1, 1) for out, exp in zip(outs, exps, strict=True)]


def bsconv() -> Spec:
    rows = [
        {"id": "1", "op": "conv", "kernel": 3, "norm": "batch", "out": 8, "nl": "relu"},
        {"id": "2", "op": "bsconv", "out": 16, "stride": 2},
        {"id": "3", "op": "bsconv", "out": 16, "subspace": 0},
        {"id": "4", "op": "shuffle", "out": 32, "stride": 2},
        {"id": "5", "op": "pool"},
        {"id": "6", "op": "conv", "kernel": 1, "out": "classes"},
    ]
    return Spec.from_dict({"name": "bsconv", "input": 16, "classes": 4, "rows": rows})


def test_the_first_factor_of_a_bsconv_is_penalised() -> None:
    spec = bsconv()
    (name,) = subspaces(spec.layers())
    assert tuple(build(spec).get_parameter(name).shape) == (2, 8, 1, 1)  # a quarter of 8


ROWS: list[tuple[dict[str, Any], int, list[tuple[int, int]]]] = [
    # A row, the channels that come in, and by hand what is penalised: (C', C).
    ({"op": "fuse", "kernel": 3, "exp": 24, "out": 16}, 8, [(16, 48)]),
    ({"op": "mbconv", "kernel": 3, "exp": 24, "out": 16}, 8, [(16, 24)]),
    ({"op": "mbconv", "kernel": 3, "exp": 8, "out": 16}, 8, []),
    ({"op": "shift", "kernel": 3, "exp": 24, "out": 16}, 8, [(16, 24)]),
    ({"op": "convnext"}, 8, [(8, 32)]),
    ({"op": "bottle", "inner": 32, "out": 16}, 8, [(16, 32)]),
    ({"op": "bottle", "inner": 8, "out": 16}, 8, []),
    ({"op": "preact", "inner": 32, "out": 16}, 8, [(16, 32)]),
    ({"op": "inception_res", "b1": {"kernel": "1x1", "out": 8}}, 8, [(8, 8)]),
    ({"op": "inception_res", "b1": {"kernel": "1x1", "out": 8}}, 16, []),
    ({"op": "shuffle", "out": 16, "nl": "identity"}, 16, [(8, 8)]),
    ({"op": "shuffle", "out": 16}, 16, []),
    ({"op": "bsconv", "out": 16}, 8, [(2, 8)]),
    ({"op": "bsconv", "out": 16, "subspace": 0}, 8, []),
    ({"op": "conv", "kernel": 3, "out": 16, "spatial": "blueprint"}, 8, [(2, 8)]),
]


@pytest.mark.parametrize(("row", "channels", "expected"), ROWS)
def test_the_ops_that_are_penalised(
    row: dict[str, Any], channels: int, expected: list[tuple[int, int]]
) -> None:
    nl = {} if {"nl", "b1"} & row.keys() or row["op"] == "convnext" else {"nl": "relu"}
    se = {"se": False} if "exp" in row else {}
    first = {"id": "1", "op": "conv", "kernel": 1, "out": channels}
    last = [{"id": "3", "op": "pool"}, {"id": "4", "op": "conv", "kernel": 1, "out": "classes"}]
    rows = [first, {"id": "2", **row, **nl, **se}, *last]
    spec = Spec.from_dict({"name": "it", "input": 8, "classes": 4, "rows": rows})
    weights = {name: param.shape for name, param in build(spec).named_parameters()}
    assert [tuple(weights[name]) for name in subspaces(spec.layers())] == [
        (*shape, 1, 1) for shape in expected
    ]


def test_the_page_names_the_ops_that_are_penalised() -> None:
    page = (REPOSITORY / "docs" / "reproductions.md").read_text("utf-8")
    table = page.partition("| op | penalised |\n|---|---|\n")[2].partition("\n\n")[0]
    named = {op for line in table.splitlines() for op in re.findall(r"`(\w+)`", line.split("|")[1])}
    conv = "conv"  # stands for any op with spatial=blueprint
    assert named == {row["op"] for row, _, shapes in ROWS if shapes} - {conv}


def test_no_other_op_is_penalised() -> None:
    listed = {row["op"] for row, _, shapes in ROWS if shapes}
    for op, values in NEEDED.items():
        (row,) = read_rows([{"id": "1", "op": op, **values}], OPS)
        for channels in (8, 16, 24, 64):
            try:
                layers = row.layers((channels, 16, 16), Settings(4, 0.0))
            except InputError:  # that op does not take so many
                continue
            assert op in listed or not any(subspaces(layers)), op


def test_a_network_without_any_refuses_the_key(tmp_path: Path) -> None:
    resnet = load_spec("resnet20").with_classes(4)
    with pytest.raises(InputError, match=r"orthonormal = 0.1: resnet20 has no linear 1x1 conv"):
        train(resnet, small_recipe(orthonormal=0.1), small_data(), 0, store=Store(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_projections_become_orthonormal(tmp_path: Path) -> None:
    ends = []
    for weight in (0.0, 1.0):
        recipe = small_recipe(orthonormal=weight, lr=0.05, weight_decay=0.0)
        record = train(small_spec(), recipe, small_data(), 0, store=Store(tmp_path))
        weights = torch.load(Store(tmp_path).folder(record.digest) / "weights.pt")
        names = subspaces(small_spec().layers())
        ends.append(penalty([weights[name] for name in names]).item())
        assert ("orthonormal" in record.recipe) == bool(weight)
    assert ends[1] < 0.1 * ends[0]


def test_stacked_runs_have_each_its_own_penalty(tmp_path: Path) -> None:
    recipes = [small_recipe(orthonormal=weight, epochs=1, lr=0.01) for weight in (0.5, 0.0, 0.1)]
    orders = [Order(recipe, seed, SilentProgress()) for seed, recipe in enumerate(recipes)]
    store = Store(tmp_path / "stacked")
    for number, record in train_stack(small_spec(), small_data(), orders, store=store):
        alone = train(
            small_spec(), recipes[number], small_data(), number, store=Store(tmp_path / "alone")
        )
        assert isinstance(record, Record)
        assert record.environment["steps"].startswith("stacked")
        assert record.curves.train_loss == pytest.approx(alone.curves.train_loss, rel=1e-4)
        weights, own = (
            torch.load(store.folder(record.digest) / "weights.pt")
            for store in (store, Store(tmp_path / "alone"))
        )
        for name in subspaces(small_spec().layers()):
            assert torch.allclose(weights[name], own[name], rtol=1e-3, atol=1e-4)
