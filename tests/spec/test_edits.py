"""What edits select and set, their factors and rounding, and keys of the spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseablate import measure
from fuseablate.ops.fields import scaled
from fuseablate.spec.spec import Spec, to_toml
from tests.helpers.edited import BASE, FUSE, cells, changed, refused


def only(spec: Spec, field: str) -> dict[str, object]:
    """The changes of a field, after making sure that nothing else has changed."""
    assert [row.id for row in spec.rows] == [row.id for row in BASE.rows]
    for row, before in zip(spec.rows, BASE.rows, strict=True):
        assert row.op == before.op
        rest, rest_before = row.values(), before.values()
        rest.pop(field, None)
        rest_before.pop(field, None)
        assert rest == rest_before
    assert (spec.input, spec.classes, spec.divisor, spec.dropout) == ((224, 224), 100, 8, 0.2)
    return changed(spec, field)


# --- The edits that must work, each with exactly the cells that it may change ---

SE_ROWS = ["2", *FUSE[3:], "13"]


@pytest.mark.parametrize(
    ("edit", "field", "expected"),
    [
        ("all.se=false", "se", dict.fromkeys(SE_ROWS, False)),
        ("all.se=true", "se", dict.fromkeys(["1", "3", "4"], True)),
        ("fuse.variant=half", "variant", dict.fromkeys(FUSE, "half")),
        ("fuse.kernel=3", "kernel", dict.fromkeys(FUSE[3:], 3)),
        ("5-12.kernel=7", "kernel", dict.fromkeys(FUSE[3:], 7)),
        ("fuse@5-13.kernel=7", "kernel", dict.fromkeys(FUSE[3:], 7)),
        ("fuse@1-4.kernel=7", "kernel", dict.fromkeys(FUSE[:3], 7)),
        ("conv.kernel=5", "kernel", {"1": 5}),
        ("13.kernel=3", "kernel", {"13": 3}),
        ("all.nl=relu", "nl", dict.fromkeys(["1", *FUSE[3:], "13", "15"], "relu")),
        ("fuse.residual=true", "residual", dict.fromkeys(FUSE, True)),
        ("13.se=false", "se", {"13": False}),
        ("14.se=true", "se", {"14": True}),
        ("15.se=true", "se", {"15": True}),
        ("16.nl=relu", "nl", {"16": "relu"}),
        ("14.nl=relu", "nl", {"14": "relu"}),
        ("15.norm=batch", "norm", {"15": "batch"}),
        ("15.dropout=true", "dropout", {"15": True}),
        ("16.dropout=false", "dropout", {"16": False}),
        ("16.bias=true", "bias", {"16": True}),
        ("16.form=linear", "form", {"16": "linear"}),
        ("all.form=linear", "form", {"15": "linear", "16": "linear"}),
        ("4-4.kernel=5", "kernel", {"4": 5}),
        ("1.out=x0.5", "out", {"1": 8}),
        ("12.stride=2", "stride", {"12": 2}),
        # a scaled out passes over the classifier, which follows the classes
        (
            "conv.out=x0.5",
            "out",
            {"1": 8, "13": 288, "15": 512},
        ),
        # 16 72 88 96 240 240 120 144 288 576 576, halved: only 36 -> 40, 44 -> 48 and 60 -> 64
        # need the divisor
        (
            "fuse.exp=x0.5",
            "exp",
            dict(
                zip(FUSE, [8, 40, 48, 48, 120, 120, 64, 72, 144, 288, 288], strict=True),
            ),
        ),
    ],
)
def test_edits_change_exactly_their_cells(
    edit: str, field: str, expected: dict[str, object]
) -> None:
    assert only(BASE.edit(edit), field) == expected


@pytest.mark.parametrize("edit", ["fuse.op=mbconv", "all.se=false", "classes=10", "12.nl=mish"])
def test_an_edit_is_pure(edit: str) -> None:
    before = (BASE.to_dict(), BASE.digest())
    after = BASE.edit(edit)
    assert (BASE.to_dict(), BASE.digest()) == before
    assert after.digest() != before[1]
    assert after.edits == (edit,)
    assert after.label.startswith(edit)


def test_no_edit_is_the_same_spec() -> None:
    assert BASE.edit() is BASE


def test_params_of_edits_by_hand() -> None:
    # SE of a Fuse row: 2 (2e) (2e / 4) = 2 e^2; of row 13: 2 x 576 x 144
    squeeze = 2 * (16**2 + 96**2 + 2 * 240**2 + 120**2 + 144**2 + 288**2 + 2 * 576**2)
    total = 3_284_608
    assert measure(BASE.edit("13.se=false")).params == total - 2 * 576 * 144
    assert measure(BASE.edit("fuse.se=false")).params == total - squeeze
    assert measure(BASE.edit("all.se=false")).params == total - squeeze - 2 * 576 * 144
    # 90 classes of 1024 weights less
    assert measure(BASE.edit("classes=10")).params == total - 90 * 1024
    # two taps less on each of the two convolutions of rows 5 to 12
    taps = 2 * 2 * (96 + 240 + 240 + 120 + 144 + 288 + 576 + 576)
    assert measure(BASE.edit("fuse.kernel=3")).params == total - taps
    assert measure(BASE.edit("5-12.kernel=7")).params == total + taps
    assert measure(BASE.edit("all.nl=relu")).params == total
    assert measure(BASE.edit("fuse.residual=true")).params == total
    # row 3, half: 2 x 36 x 3 taps, a projection from 72, BN behind 72 instead of 144
    assert measure(BASE.edit("3.variant=half")).params == total - 216 - 72 * 24 - 144
    # row 3, one 3x3 instead of two pairs of 3: 72 x 9 - 2 x 72 x 3, otherwise as half
    assert measure(BASE.edit("3.op=mbconv")).params == total + 648 - 432 - 72 * 24 - 144


# --- Values, scaling ---


@pytest.mark.parametrize(
    ("channels", "divisor", "expected"),
    [
        (11, 8, 16),  # 8 is under 0.9 of 11
        (8.8, 8, 8),  # 8 is 0.909 of 8.8
        (8.9, 8, 16),  # 8 is 0.899 of 8.9
        (12, 8, 16),  # half-way rounds up
        (3, 8, 8),  # never below the divisor
        (0.4, 8, 8),
        (36, 8, 40),
        (44, 8, 48),
        (50, 8, 48),
        (17, 4, 16),
        (17, 16, 16),
        (20.9, 1, 21),
        (1.4, 1, 2),  # 1 is under 0.9 of 1.4
        (5.4, 3, 6),
    ],
)
def test_scaling_rounds_as_the_mobilenets_do(channels: float, divisor: int, expected: int) -> None:
    assert scaled(channels, divisor) == expected


@given(st.floats(0.01, 10_000), st.integers(1, 64))
def test_scaling_keeps_its_promises(channels: float, divisor: int) -> None:
    result = scaled(channels, divisor)
    assert result % divisor == 0
    assert result >= divisor
    assert result >= 0.9 * channels - 1e-9
    assert result <= max(channels + 1.5 * divisor, divisor)


@pytest.mark.parametrize("factor", ["x2", "x2.0", "x2.", "x02"])
def test_ways_to_write_a_factor(factor: str) -> None:
    assert cells(BASE.edit(f"5.exp={factor}"), "exp")["5"] == 192


def test_the_specs_divisor_counts() -> None:
    # 72 / 4 = 18: with divisor 8 that is 16, under 0.9 of 18? no, 16.2 > 16: so 24
    assert cells(BASE.edit("3.exp=x0.25"), "exp")["3"] == 24
    assert cells(BASE.edit("divisor=1", "3.exp=x0.25"), "exp")["3"] == 18
    assert cells(BASE.edit("3.exp=x0.25", "divisor=1"), "exp")["3"] == 18
    later = BASE.edit("divisor=6", scaled_later=True).edit("3.exp=x0.25")
    assert cells(later, "exp")["3"] == 18
    assert cells(BASE.edit("divisor=50", "3.exp=x0.25"), "exp")["3"] == 50


# --- Keys of the spec ---


def test_keys_of_the_spec() -> None:
    after = BASE.edit("classes=10", "dropout=0.5", "input=32x48")
    assert (after.classes, after.dropout, after.input) == (10, 0.5, (32, 48))
    assert after.rows == BASE.rows
    assert after.infer()[0].in_shape == (3, 32, 48)
    assert after.infer()[-1].out_shape == (10, 1, 1)


@pytest.mark.parametrize(
    ("alias", "word"),
    [
        ("all.nl=silu", "all.nl=swish"),
        ("fuse.nl=hardswish", "fuse.nl=hswish"),
        ("fuse.nl=hard_swish", "fuse.nl=hswish"),
        ("13.nl=leakyrelu", "13.nl=leaky_relu"),
        ("all.se_nl=silu", "all.se_nl=swish"),
        ("fuse.nl2=silu", "fuse.nl2=swish"),
    ],
)
def test_a_usual_name_of_a_non_linearity_is_the_same_network(alias: str, word: str) -> None:
    base = BASE.edit("all.nl=gelu")
    aliased, other = base.edit(alias), base.edit(word)
    assert aliased.rows == other.rows
    assert aliased.digest() == other.digest()
    assert "silu" not in to_toml(aliased).partition("[[rows]]")[2]


def test_a_table_may_use_the_usual_names() -> None:
    table = BASE.to_dict()
    for row in table["rows"]:
        if row.get("nl") == "hswish":
            row["nl"] = "hardswish"
        if "se_gate" in row:
            row["se_gate"] = "hard_sigmoid"
    assert Spec.from_dict(table).digest() == BASE.digest()
    assert "changes nothing: nl is silu already" in refused(
        "13.nl=silu", spec=BASE.edit("13.nl=swish")
    )
