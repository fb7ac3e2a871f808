"""Random valid edits of the baseline: each builds, trains a step, and costs what fvcore counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from fuseablate import InputError, build, load_spec
from fuseablate.network.check import mismatches
from fuseablate.ops import OPS

BASE = load_spec("fusenet")
EXAMPLES = 2  # for each field

BLOCKS = ["fuse", "2-4", "5-12", "fuse@3-9", "6-7", "2", "5", "8", "10", "12"]
CONVS = ["conv", "1", "13", "15"]
ANY = ["all", "2-13", *BLOCKS, "1", "13"]
NLS = ["relu", "relu6", "hswish", "swish", "gelu", "mish", "leaky_relu", "elu", "identity"]
WIDTHS = ["8", "24", "48", "62", "x0.5", "x0.25", "x0.7"]
# What may be written in each field, and of which rows: every cell of these ops.
FIELDS: dict[str, tuple[list[str], list[str]]] = {
    "kernel": ([*ANY, *CONVS, "16"], ["1", "3", "5", "7"]),
    "norm": (["all", "fuse", "5-12", "1", "13", "15", "16"], ["none", "batch", "group"]),
    "exp": (BLOCKS, WIDTHS),
    "out": ([*BLOCKS, *CONVS, "all"], WIDTHS),
    "se": ([*ANY, "14", "15", "16"], ["true", "false"]),
    "se_kind": ([*ANY], ["eca", "coordinate"]),
    "nl": ([*ANY, "14", "15", "16"], NLS),
    "stride": (["3-4", "4", "5", "8", "11-12", "12", "13", "15"], ["1", "2"]),
    "residual": (BLOCKS, ["true"]),
    "expand": (BLOCKS, ["wider"]),
    "nl2": (BLOCKS, NLS),
    "se_place": ([*BLOCKS, "13", "1"], ["after_nl", "after_project"]),
    "se_reduction": ([*ANY], ["1", "2", "8"]),
    "se_of": ([*ANY], ["input"]),
    "se_divisor": ([*ANY], ["8"]),
    "se_bias": ([*ANY], ["true"]),
    "se_nl": ([*ANY], ["swish", "identity"]),
    "se_gate": ([*ANY], ["sigmoid"]),
    "weight_std": ([*ANY], ["true"]),
    "padding": (CONVS, ["valid", "1", "2"]),
    "groups": (["13", "15"], ["4", "8"]),
    "spatial": (["1", "conv"], ["factorised", "depthwise", "separable", "fuse", "shift"]),
    "variant": (BLOCKS, ["half"]),
    "order": (BLOCKS, ["Kx1,1xK"]),
    "bias": (["all", *CONVS, "16"], ["true"]),
    "dropout": (["1", "13", "15", "16"], ["true", "false"]),
    "form": (["15-16", "16", "all"], ["linear", "flatten"]),
    "op": ([*BLOCKS], ["mbconv", "conv", "shift"]),
    "depth": (["4", "6", "8-9", "12"], ["2", "0"]),
}
HEAD = {
    "classes": ["2", "10", "37"],
    "dropout": ["0", "0.5"],
    "divisor": ["1", "4", "6"],
    "input": ["32", "64x48"],
    "drop_path": ["0.3"],
    "norm_eps": ["0.001"],
    "norm_momentum": ["0.01"],
}


@st.composite
def an_edit(draw: st.DrawFn, fields: tuple[str, ...] = (*FIELDS, *FIELDS, *FIELDS, *HEAD)) -> str:
    field = draw(st.sampled_from(fields))
    # `dropout` is a field and a key: either way of writing it is an edit.
    if field in HEAD and (field not in FIELDS or draw(st.booleans())):
        return f"{field}={draw(st.sampled_from(HEAD[field]))}"
    rows, values = FIELDS[field]
    return f"{draw(st.sampled_from(rows))}.{field}={draw(st.sampled_from(values))}"


def test_the_table_above_names_every_field() -> None:
    used = {row.op for row in BASE.rows} | {"mbconv", "shift"}
    cells = {name for op in used for name in OPS[op].rules()}
    # A map of more than 1x1 behind the pooling does not fit this network's classifier.
    assert {*FIELDS} == cells - {"size"} | {"op", "depth"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("field", dict.fromkeys((*FIELDS, *HEAD)))
def test_random_edits_build_train_and_cost_what_fvcore_counts(field: str) -> None:
    """Each list has an edit of `field`, and up to three of any."""
    networks = 0

    @seed(1)
    @given(st.tuples(an_edit((field,)), st.lists(an_edit(), max_size=3)))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    def holds(edits: tuple[str, list[str]]) -> None:
        nonlocal networks
        try:
            spec = BASE.edit(edits[0], *edits[1])
            rows = spec.infer((32, 32))
        except InputError:  # such as two edits that meet in one cell
            assume(False)
        network = build(spec, size=(32, 32)).train()
        images = torch.linspace(-1, 1, 2 * 3 * 32 * 32).view(2, 3, 32, 32)
        logits = network(images)
        assert logits.shape == (2, spec.classes)
        logits.square().mean().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        assert mismatches(network.eval(), images[:1], rows) == []
        networks += 1

    holds()
    assert networks >= EXAMPLES
