"""The contract of every op: what any row must do, whichever family it is of."""

from __future__ import annotations

import pytest
import torch

from fuseablate import InputError
from fuseablate.layers import AuxHead, canonical, contains
from fuseablate.network.builder import initialise, to_module
from fuseablate.ops import OPS, Row, Settings
from fuseablate.ops.fields import Bool, Choice
from tests.helpers.op_rows import NEEDED

SHAPE = (16, 9, 11)
SETTINGS = Settings(classes=10, dropout=0.1)


def variants_of(name: str) -> list[Row]:
    """Return the row of the smallest cells, and each row that differs from it in one choice."""
    op = OPS[name]
    rows = [op.from_values("1", NEEDED[name])]
    for cell, rule in op.rules().items():
        words = rule.words if isinstance(rule, Choice) else ()
        for value in (True, False) if isinstance(rule, Bool) else words:
            rows.append(op.from_values("1", {**NEEDED[name], cell: value}))
    return rows


def test_every_op_is_held_to_the_contract() -> None:
    assert set(NEEDED) == set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_a_row_is_its_cells(name: str) -> None:
    for row in variants_of(name):
        assert OPS[name].from_values("1", row.values()) == row
        assert list(row.values()) == [cell for cell in row.rules() if cell in row.values()]
        assert row.op == name
        assert row.title
        assert len(row.short_title or row.title) < 8
        assert row.kernel_text(SHAPE)


@pytest.mark.parametrize("name", OPS)
def test_shape_params_and_gradients_are_those_of_the_module(name: str) -> None:
    accepted = 0
    for row in variants_of(name):
        try:
            layer = row.layers(SHAPE, SETTINGS)
            out, cost = layer.infer(SHAPE)
        except InputError:  # such as a shortcut that cannot be padded
            continue
        accepted += 1
        network = to_module(layer)
        initialise(network, seed=0)
        images = torch.linspace(-1, 1, 2 * 16 * 9 * 11).view(2, *SHAPE)
        kept = images.clone()
        result = network(images)
        assert torch.equal(images, kept), "a row may not change its input"
        assert result.shape == (2, *out)
        assert cost.params == sum(parameter.numel() for parameter in network.parameters())
        saved = sum(t.numel() * t.element_size() for t in network.state_dict().values())
        assert cost.bytes == saved
        if cost.params and not contains(layer, AuxHead):
            (result * torch.linspace(0, 1, result.numel()).view_as(result)).sum().backward()
            for where, parameter in network.named_parameters():
                assert parameter.grad is not None, where
                assert parameter.grad.isfinite().all(), where
    assert accepted > len(variants_of(name)) / 2


@pytest.mark.parametrize("name", OPS)
def test_every_choice_that_is_accepted_reads_back_and_is_deterministic(name: str) -> None:
    for row in variants_of(name):
        try:
            layer = row.layers(SHAPE, SETTINGS)
        except InputError:
            continue
        assert canonical(layer) == canonical(row.layers(SHAPE, SETTINGS))
        hash(layer)


@pytest.mark.parametrize("name", OPS)
def test_a_vector_is_refused_in_one_line_or_taken(name: str) -> None:
    row = OPS[name].from_values("1", NEEDED[name])
    with pytest.raises(InputError, match=r"map|linear"):
        row.layers((16,), SETTINGS).infer((16,))


@pytest.mark.parametrize("name", OPS)
def test_an_unknown_cell_is_named_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match=f"row 7: unknown field of op '{name}' 'strode'"):
        OPS[name].from_values("7", {**NEEDED[name], "strode": 1})
