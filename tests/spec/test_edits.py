"""Every rule of edits: what they select, what they set, how they meet, what they refuse."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuseablate import InputError, load_spec, measure
from fuseablate.ops.values import scaled
from fuseablate.spec.spec import Spec, to_toml

BASE = load_spec("fusenet")
FUSE = [str(n) for n in range(2, 13)]


def cells(spec: Spec, field: str) -> dict[str, object]:
    """A field's value in each row that has it, by the row's id."""
    return {row.id: row.values()[field] for row in spec.rows if field in row.values()}


def changed(spec: Spec, field: str) -> dict[str, object]:
    """The cells of a field that are not as in the baseline."""
    before = cells(BASE, field)
    return {id: value for id, value in cells(spec, field).items() if before.get(id) != value}


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


def refused(*edits: str, spec: Spec = BASE) -> str:
    with pytest.raises(InputError) as error:
        spec.edit(*edits)
    text = str(error.value)
    assert "\n" not in text
    return text


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


def test_a_depth_of_none_leaves_a_row_out(tmp_path: Path) -> None:
    spec = load_spec("fusenet")
    edited = spec.edit("4.depth=0", "15.depth=0")
    assert [row.id for row in edited.rows] == [
        str(number) for number in range(1, 17) if number not in (4, 15)
    ]
    # Row 4 alone, 24 to 88 to 24 channels: two 1x1s, a pair of 3 over all 88, and their norms.
    row = 24 * 88 + 2 * 88 + 2 * 3 * 88 + 2 * 176 + 176 * 24 + 2 * 24
    assert measure(spec).params - measure(spec.edit("4.depth=0")).params == row
    # Without row 15 the classifier sees the 576 channels of row 13, and not 1024.
    assert measure(spec).params - measure(edited).params == row + 576 * 1024 + (1024 - 576) * 100
    path = tmp_path / "short.toml"
    path.write_text(to_toml(edited))
    assert load_spec(path).digest() == edited.digest()
    deep = spec.edit("4.depth=3")
    assert deep.edit("4.depth=0").digest() == spec.edit("4.depth=0").digest()
    with pytest.raises(InputError, match=r"edit '4.kernel=5': changes nothing"):
        spec.edit("4.depth=0", "4.kernel=5")
    with pytest.raises(InputError, match=r"edit '16.depth=0': row 15: the network ends in 1024"):
        spec.edit("16.depth=0")
    with pytest.raises(InputError, match=r"edit '4.depth=-1': -1 is too small; .* at least 0"):
        spec.edit("4.depth=-1")


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


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("fuse.kernel=x2", "kernel cannot be scaled, only channels"),
        ("dropout=x0.5", "dropout cannot be scaled"),
        ("fuse.stride=x2", "stride cannot be scaled"),
        ("fuse.se=x2", "se cannot be scaled"),
        ("fuse.nl=x2", "nl cannot be scaled"),
        ("fuse.depth=x2", "depth cannot be scaled"),
        ("fuse.se_reduction=x2", "se_reduction cannot be scaled"),
        ("classes=x0.5", "classes cannot be scaled"),
        ("divisor=x2", "divisor cannot be scaled"),
        ("input=x2", "is not a size"),
        ("fuse.exp=x0", "nothing can be scaled by 0"),
        ("fuse.exp=x0.00", "nothing can be scaled by 0"),
        ("fuse.exp=x-1", "'x-1' is not a whole number"),
        ("fuse.exp=x", "'x' is not a whole number"),
        ("fuse.exp=x1e3", "is not a whole number"),
        ("fuse.exp=x" + "9" * 400, "is not a whole number"),
        ("fuse.exp=x999999", "is too large"),
        ("fuse.exp=wide", "'wide' is not a whole number"),
        ("fuse.exp=0", "0 is too small"),
        ("fuse.exp=-8", "-8 is too small"),
        ("fuse.exp=1.5", "'1.5' is not a whole number"),
        ("fuse.kernel=large", "'large' is not a whole number"),
        ("fuse.kernel=0", "0 is too small"),
        ("fuse.se=yes", "'yes' is not true or false"),
        ("fuse.se=True", "'True' is not true or false"),
        ("fuse.nl=rely", "unknown value 'rely'; did you mean 'relu'?"),
        ("fuse.variant=halve", "unknown value 'halve'; did you mean 'half'?"),
        ("fuse.op=fusee", "unknown value 'fusee'; did you mean 'fuse'?"),
        ("fuse.depth=-1", "-1 is too small"),
        ("fuse.depth=99999999", "is too large"),
        ("dropout=high", "'high' is not a number"),
        ("dropout=1", "out of range"),
        ("dropout=nan", "out of range"),
        ("dropout=-0.1", "out of range"),
        ("classes=1", "1 is too small"),
        ("classes=ten", "'ten' is not a whole number"),
        ("divisor=0", "0 is too small"),
        ("input=0", "'0' is not a size"),
        ("input=-32", "'-32' is not a size"),
        ("input=32x", "is not a size"),
    ],
)
def test_bad_values(edit: str, message: str) -> None:
    text = refused(edit)
    assert message in text
    assert text.startswith(f"edit '{edit}'")


# --- Selectors ---


@pytest.mark.parametrize(
    "edit",
    ["", " ", "fuse", "fuse.kernel", "fuse.kernel=", "=3", ".kernel=3", "fuse..kernel=3",
     "fuse.kernel.x.y=3", "fuse.kernel = 3", "fuse kernel=3", "fuse.kernel=3 4", "a\nb", "fuse.=3"],
)  # fmt: skip
def test_what_is_no_edit(edit: str) -> None:
    assert "is not of the form ROWS.FIELD=VALUE" in refused(edit)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("17", "'17' selects no row; rows go from 1 to 16"),
        ("0", "'0' selects no row"),
        ("5-17", "'5-17' selects no row"),
        ("5-", "selects no row"),
        ("-5", "selects no row"),
        ("5-6-7", "selects no row"),
        ("5/2", "'5/2' selects no row"),
        ("12-5", "runs backwards; write 5-12"),
        ("mbconv", "the spec has no row of op 'mbconv'"),
        ("fuze", "'fuze' selects no row"),
        ("conv@5-12", "rows 5-12 have no row of op 'conv'"),
        ("fuze@5-12", "unknown op 'fuze'; did you mean 'fuse'?"),
        ("fuse@", "selects no row"),
        ("@5", "unknown op ''"),
        ("*", "selects no row"),
    ],
)
def test_selectors_that_find_nothing(rows: str, message: str) -> None:
    assert message in refused(f"{rows}.kernel=7")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("fuse.kernl=3", "unknown field 'kernl'; did you mean 'kernel'?"),
        ("all.id=3", "unknown field 'id'"),
        ("fuse.dropout=true", "no row of fuse has dropout; rows of conv, mlpconv, dense do"),
        ("1.exp=8", "no row of conv has exp; rows of fuse, mbconv, shift do"),
        ("pool.stride=2", "no row of pool has stride; rows of conv, "),
        ("kernel=3", "'kernel' is a field of rows; say which, as in all.kernel=3"),
        ("depth=3", "is a field of rows"),
        ("clases=3", "unknown key of the spec 'clases'; did you mean 'classes'?"),
        ("title=x", "unknown key of the spec 'title'"),
        ("all.classes=10", "unknown field 'classes'"),
        # each of these selects rows, but no cell in them
        ("13-15.kernel=3", "the table shows '-' for kernel, or 1, in all its rows"),
        ("pool.se=true", "selects no field"),
        ("14-14.nl=relu", "selects no field"),
        ("pool.nl=relu", "selects no field"),
        ("15-16.se=true", "selects no field"),
        ("16.out=10", "write classes=10"),
        ("16-16.out=10", "selects no field"),
        # and each of these changes none
        ("all.dropout=true", "changes nothing"),
        ("fuse.norm=batch", "changes nothing"),
        ("5.kernel=5", "changes nothing"),
        ("fuse.exp=x1", "changes nothing"),
        ("fuse.op=fuse", "changes nothing"),
        ("fuse.depth=1", "changes nothing"),
        ("classes=100", "changes nothing"),
        ("dropout=0.20", "changes nothing"),
        ("input=224", "changes nothing"),
        ("input=224x224", "changes nothing"),
        ("divisor=8", "changes nothing"),
    ],
)
def test_fields_and_cells_that_are_not_there(edit: str, message: str) -> None:
    assert message in refused(edit)


def test_absent_cells_are_passed_over() -> None:
    after = BASE.edit("all.se=true", "all.nl=elu", "all.norm=none")
    assert "se" not in after.rows[13].values()
    assert "se" not in after.rows[15].values()
    assert "nl" not in after.rows[13].values()
    assert "nl" not in after.rows[15].values()
    assert cells(after, "norm") == dict.fromkeys([str(n) for n in range(1, 14)], "none")


# --- How edits meet ---


def test_a_narrower_selection_overrides_a_wider_one() -> None:
    for pair in (("all.nl=relu", "13.nl=hswish"), ("13.nl=hswish", "all.nl=relu")):
        nl = cells(BASE.edit(*pair), "nl")
        assert nl["13"] == "hswish"
        assert {nl[id] for id in nl if id != "13"} == {"relu"}
    three = BASE.edit("6.kernel=9", "all.kernel=5", "5-7.kernel=7", "fuse.kernel=1")
    assert list(cells(three, "kernel").values()) == [5, 1, 1, 1, 7, 9, 7, *[1] * 8]


def test_scaling_starts_from_the_unedited_cell() -> None:
    after = cells(BASE.edit("fuse.exp=x0.5", "5-6.exp=x0.25", "6.exp=x2"), "exp")
    assert (after["4"], after["5"], after["6"], after["7"]) == (48, 24, 480, 120)


@pytest.mark.parametrize(
    ("first", "second", "row"),
    [
        ("5-6.kernel=3", "6-7.kernel=7", "6"),
        ("5.kernel=3", "5.kernel=7", "5"),
        ("5.kernel=3", "5.kernel=3", "5"),
        ("5.kernel=3", "fuse@5-5.kernel=7", "5"),
        ("fuse.kernel=3", "2-12.kernel=7", "2"),
        ("all.se=false", "1-16.se=true", "1"),
        ("fuse.op=mbconv", "2-12.op=conv", "2"),
        ("5.depth=2", "5.depth=3", "5"),
    ],
)
def test_edits_of_equal_width_may_not_meet(first: str, second: str, row: str) -> None:
    for pair in ((first, second), (second, first)):
        text = refused(*pair)
        assert "equally wide" in text
        assert f"row {row};" in text
        assert first in text
        assert second in text


def test_edits_of_equal_width_that_do_not_meet_are_fine() -> None:
    assert changed(BASE.edit("5.kernel=3", "6.kernel=7"), "kernel") == {"5": 3, "6": 7}
    both = BASE.edit("5.kernel=3", "5.exp=64")
    assert (changed(both, "kernel"), changed(both, "exp")) == ({"5": 3}, {"5": 64})


def test_a_narrower_edit_that_says_the_same_changes_nothing() -> None:
    assert "edit '5.kernel=3': changes nothing" in refused("fuse.kernel=3", "5.kernel=3")


def test_a_key_of_the_spec_is_set_once() -> None:
    assert "'classes' is set twice" in refused("classes=10", "classes=20")


MEETING = ["all.nl=relu", "5-9.nl=elu", "13.nl=mish", "fuse.kernel=3", "1.op=fuse", "1.exp=8",
           "divisor=4", "3.exp=x0.3", "6.depth=2", "8.op=mbconv"]  # fmt: skip


@given(st.permutations(MEETING))
@settings(max_examples=25, deadline=None)
def test_the_order_of_edits_does_not_matter(edits: list[str]) -> None:
    expected = BASE.edit(*sorted(edits))
    after = BASE.edit(*edits)
    assert after.rows == expected.rows
    assert after.digest() == expected.digest()


def test_edits_made_one_after_another() -> None:
    edited = BASE.edit("fuse.kernel=3").edit("5.kernel=7")
    assert cells(edited, "kernel") == cells(BASE.edit("fuse.kernel=3", "5.kernel=7"), "kernel")
    assert edited.edits == ("fuse.kernel=3", "5.kernel=7")
    # a second call scales what the first one left
    assert cells(BASE.edit("6.exp=x0.5").edit("6.exp=x0.5"), "exp")["6"] == 64
    assert "changes nothing" in refused("fuse.kernel=3", spec=edited.edit("5.kernel=3"))


# --- Residuals ---


def residual_rows(spec: Spec) -> list[str]:
    from fuseablate.layers import Residual

    return [t.row.id for t in spec.infer() if isinstance(t.layer, Residual)]


def test_residuals_stand_where_the_shape_permits() -> None:
    # stride 1 and out as the row before: 24-24, 40-40, 40-40, 48-48, 96-96, 96-96
    expected = ["4", "6", "7", "9", "11", "12"]
    assert residual_rows(BASE) == []
    assert residual_rows(BASE.edit("fuse.residual=true")) == expected
    assert residual_rows(BASE.edit("all.residual=true")) == expected
    assert residual_rows(BASE.edit("2-4.residual=true")) == ["4"]
    assert residual_rows(BASE.edit("fuse.residual=true", "6-9.residual=false")) == ["4", "11", "12"]
    assert residual_rows(BASE.edit("fuse.op=mbconv", "fuse.residual=true")) == expected


def test_a_residual_that_no_row_takes_is_refused() -> None:
    for rows in ("5", "8", "2-3", "fuse@8-8"):
        assert "no selected row can take a residual" in refused(f"{rows}.residual=true")
    assert "no selected row can take" in refused("6.residual=true", "6.stride=2")
    assert residual_rows(BASE.edit("5.residual=true", "5.stride=1", "5.out=24")) == ["5"]
    assert residual_rows(BASE.edit("5.residual=true", "5.depth=2")) == ["5/2"]


# --- Keys of the spec ---


def test_keys_of_the_spec() -> None:
    after = BASE.edit("classes=10", "dropout=0.5", "input=32x48")
    assert (after.classes, after.dropout, after.input) == (10, 0.5, (32, 48))
    assert after.rows == BASE.rows
    assert after.infer()[0].in_shape == (3, 32, 48)
    assert after.infer()[-1].out_shape == (10, 1, 1)


# --- Structure: op and depth ---


def test_an_op_change_keeps_the_fields_that_both_have() -> None:
    after = BASE.edit("fuse.op=mbconv")
    ops = [row.op for row in after.rows]
    assert ops == ["conv", *["mbconv"] * 11, "conv", "pool", "conv", "conv"]
    for row, before in zip(after.rows[1:12], BASE.rows[1:12], strict=True):
        expected = before.values()
        assert (expected.pop("variant"), expected.pop("order")) == ("full", "1xK,Kx1")
        assert row.values() == {**expected, "spatial": "depthwise"}
    assert after.label == "fuse.op=mbconv"


def test_an_op_change_can_come_with_the_fields_that_the_new_op_needs() -> None:
    assert "row 1: op 'fuse' needs a value for 'exp'" in refused("1.op=fuse")
    for edits in (("1.op=fuse", "1.exp=16"), ("1.exp=16", "1.op=fuse")):
        after = BASE.edit(*edits)
        assert (after.rows[0].op, after.rows[0].values()["exp"]) == ("fuse", 16)
        assert after.infer()[0].out_shape == (16, 112, 112)
        assert "without" not in after.label  # bias and the like were at their defaults
    assert "(without bias)" in BASE.edit("1.bias=true").edit("1.op=fuse", "1.exp=16").label
    assert "there is no number of exp to scale" in refused("1.op=fuse", "1.exp=x0.5")
    # a value that only the new op knows
    last = BASE.edit("1.op=fuse", "1.exp=16", "1.se=true", "1.se_place=after_project")
    assert last.rows[0].values()["se_place"] == "after_project"


def test_selectors_see_the_unedited_spec() -> None:
    # row 5 is a Fuse row while edits are made, whatever it will be
    after = BASE.edit("5.op=mbconv", "fuse.kernel=7")
    assert cells(after, "kernel")["5"] == 7
    assert "no row of op 'mbconv'" in refused("fuse.op=mbconv", "mbconv.kernel=3")
    assert "'5/2' selects no row" in refused("5.depth=2", "5/2.kernel=3")


def test_depth_repeats_a_row_without_its_stride() -> None:
    after = BASE.edit("5.depth=3", "5.kernel=7")
    ids = [row.id for row in after.rows]
    assert ids == ["1", "2", "3", "4", "5", "5/2", "5/3", *[str(n) for n in range(6, 17)]]
    rows = after.rows[4:7]
    assert [row.values()["stride"] for row in rows] == [2, 1, 1]
    assert [row.values()["kernel"] for row in rows] == [7, 7, 7]
    # a repeat reads 40 channels: 40x96 + 2x96x7 + 192x40 + 2x192x48, BN 2 x (96 + 192 + 40)
    assert after.infer()[5].cost.params == 3840 + 1344 + 7680 + 18432 + 656
    assert [t.out_shape for t in after.infer()[4:7]] == [(40, 14, 14)] * 3


def test_rows_of_a_deeper_spec_can_be_selected() -> None:
    deep = BASE.edit("5.depth=3")
    assert changed_rows(deep, "5/2.kernel=7") == ["5/2"]
    assert changed_rows(deep, "5.kernel=7") == ["5", "5/2", "5/3"]
    assert changed_rows(deep, "5/1.kernel=7") == ["5"]
    assert changed_rows(deep, "5-6.kernel=7") == ["5", "5/2", "5/3", "6"]
    assert changed_rows(deep, "4-5.kernel=7") == ["4", "5", "5/2", "5/3"]
    assert "'5/4' selects no row" in refused("5/4.kernel=7", spec=deep)
    both = deep.edit("5.kernel=7", "5/2.kernel=3")
    assert [row.values()["kernel"] for row in both.rows[4:7]] == [7, 3, 7]


def changed_rows(spec: Spec, edit: str) -> list[str]:
    after = spec.edit(edit)
    return [a.id for a, b in zip(after.rows, spec.rows, strict=True) if a != b]


def test_depth_grows_and_shrinks() -> None:
    deep = BASE.edit("5.depth=3")
    assert deep.edit("5.depth=1").rows == BASE.rows
    assert deep.edit("5.depth=2").rows == BASE.edit("5.depth=2").rows
    assert deep.edit("5.depth=4").rows == BASE.edit("5.depth=4").rows
    assert "changes nothing" in refused("5.depth=3", spec=deep)
    assert "use 5.depth" in refused("5/2.depth=2", spec=deep)


def test_depth_is_of_rows_that_repeat() -> None:
    wide = BASE.edit("all.depth=2")
    assert len(wide.rows) == 16 + 11
    assert "op 'conv' is not repeated" in refused("1.depth=2")
    assert "op 'pool' is not repeated" in refused("14.depth=2")
    assert [r.id for r in BASE.edit("1.op=fuse", "1.exp=8", "1.depth=2").rows][:2] == ["1", "1/2"]
    # a repeat has stride 1, where an even kernel cannot keep the map
    assert "kernel 4 is even" in refused("5.kernel=4", "5.depth=2")


# --- Networks that cannot be ---


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (["6.kernel=4"], "row 6: kernel 4 is even, and with stride 1 the map must keep its size"),
        (["13.kernel=2"], "row 13: kernel 2 is even"),
        (["1.stride=300"], "row 1: kernel 3 with stride 300 leaves nothing of a 224x224 map"),
        (["6.variant=half", "6.exp=41"], "row 6: variant=half deals exp out"),
        (["2.se_reduction=33"], "row 2: SE with reduction 33 squeezes 32 channels to none"),
        (["15.form=linear"], "row 16: form=conv needs a map"),
        (["13.form=linear"], "row 13: form=linear needs a 1x1 map"),
        (["14.op=conv"], "row 14: op 'conv' needs a value for 'kernel'"),
        (["14.op=conv", "14.kernel=1", "14.out=576"], "row 16: the network ends in"),
        (["16.op=pool"], "row 16: the network ends in"),
        (["4.kernel=4", "4.stride=2", "input=33"], "row 4: branches end in maps of different"),
        (["all.op=mbconv"], "row 1: op 'mbconv' needs a value for 'exp'"),
    ],
)
def test_networks_that_cannot_be(edits: list[str], message: str) -> None:
    text = refused(*edits)
    assert message in text
    assert text.startswith(f"edit '{' '.join(edits)}'")


# --- Any text at all ---

WORDS = [
    "all", "fuse", "conv", "pool", "mbconv", "1", "5", "14", "16", "5-12", "12-5", "fuse@5-12",
    "conv@1-13", "5/2", "5/1", "17", "@", "kernel", "norm", "exp", "out", "se", "nl", "stride",
    "residual", "expand", "nl2", "se_place", "se_reduction", "variant", "order", "bias", "dropout",
    "form", "op", "depth", "classes", "divisor", "input", "relu", "hswish", "identity", "batch",
    "none", "half", "wider", "after_nl", "after_project", "Kx1,1xK", "linear", "true", "false",
    "2", "3", "4", "7", "8", "24", "64", "0", "-1", "x0.5", "x2", "x", "nan", "1e9", "9" * 30, "٣",
]  # fmt: skip
ANY_EDIT = st.one_of(
    st.text(max_size=12),
    st.builds("{}.{}={}".format, *[st.sampled_from(WORDS)] * 3),
    st.builds("{}={}".format, *[st.sampled_from(WORDS)] * 2),
    st.builds("{}.{}={}".format, st.sampled_from(WORDS), st.sampled_from(WORDS),
              st.text(string.printable, max_size=8)),
)  # fmt: skip


@given(st.lists(ANY_EDIT, min_size=1, max_size=4))
@example(["1-16.exp=x" + "9" * 400])
@example(["fuse.exp=" + "9" * 5000])
@example(["all.depth=1000000000000"])
@settings(max_examples=600, deadline=None, derandomize=True, database=None)
def test_any_text_is_an_edit_or_one_line_of_error(edits: list[str]) -> None:
    try:
        after = BASE.edit(*edits)
    except InputError as refusal:
        lines = str(refusal).splitlines()
        assert len(lines) == 1
    else:
        assert after.edits == tuple(edit.strip() for edit in edits)
        assert measure(after, (224, 224)).params > 0


@pytest.mark.parametrize(
    ("edits", "idle"),
    [
        (("divisor=4",), "divisor=4"),
        (("divisor=4", "input=64"), "divisor=4"),
        (("all.se=false", "divisor=4"), "divisor=4"),
        (("2.se=false", "2.se_reduction=2", "13.nl=relu"), "2.se_reduction=2"),
        (("13.se_reduction=8", "13.se=false"), "13.se_reduction=8"),
        (("all.nl=relu", "fuse.nl=elu", "conv.nl=elu"), "all.nl=relu"),
    ],
)
def test_each_edit_must_change_a_layer_beside_the_others(edits: tuple[str, ...], idle: str) -> None:
    said = f"edit '{idle}': changes nothing: no layer depends on it here"
    for order in (edits, edits[::-1]):
        assert said in refused(*order)
    # Combinations may hold it, and mean the others.
    rest = [edit for edit in edits if edit != idle]
    assert BASE.edit_sampled(edits).digest() == (BASE.edit(*rest) if rest else BASE).digest()


def test_a_divisor_beside_a_scaled_width_is_no_idle_edit() -> None:
    assert BASE.edit("divisor=4", "3.exp=x0.25").divisor == 4
    assert BASE.edit("divisor=4", scaled_later=True).divisor == 4


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


def test_a_row_that_is_not_repeated_has_no_depth() -> None:
    assert "no row of pool is repeated; rows of fuse, mbconv, " in refused("pool.depth=2")
    assert "row 14: depth: op 'pool' is not repeated" in refused("14.depth=2")


def test_one_edit_gives_all_depthwise_filters_their_form() -> None:
    # FuSeNet's rows are fuse; with KxK filters they are mbconv's, and the way back is the pair.
    kxk = BASE.edit("all.depthwise=kxk")
    assert kxk.digest() == BASE.edit("fuse.op=mbconv").digest()
    assert kxk.edit("all.depthwise=fuse").digest() == BASE.digest()
    half = BASE.edit("all.depthwise=fuse_half")
    assert half.digest() == BASE.edit("fuse.variant=half").digest()
    # An edit of the op comes before, one of another field behind, in whatever order.
    both = BASE.edit_sampled(["fuse.kernel=5", "3.op=mbconv", "all.depthwise=fuse_half"])
    assert {row.op for row in both.rows[1:12]} == {"fuse"}
    assert both.digest() == BASE.edit("fuse.kernel=5", "fuse.variant=half").digest()


def test_a_separable_convolution_takes_the_pair_and_the_stem_stays() -> None:
    mobilenet = load_spec("mobilenet_v1")
    full = mobilenet.edit("all.depthwise=fuse")
    assert full.digest() == mobilenet.edit("2-14.spatial=fuse").digest()
    half = mobilenet.edit("all.depthwise=fuse_half").infer()
    # Row 2, 32 to 64 channels at 112x112: a 1x3 over 16 channels and a 3x1 over the other 16, their
    # norms, and 32 to 64 by 1x1 with its norm.
    assert half[1].cost.params == 2 * 16 * 3 + 2 * 32 + 32 * 64 + 2 * 64
    assert half[1].cost.macs == 112 * 112 * (2 * 16 * 3 + 32 * 64)
    assert half[0].cost == mobilenet.infer()[0].cost


@pytest.mark.parametrize(
    ("spec", "edit", "said"),
    [
        ("fusenet", "all.depthwise=fuse", "changes nothing: depthwise is fuse already"),
        ("vgg11", "all.depthwise=fuse", "no row of conv, maxpool, pool here has depthwise filters"),
        ("fusenet", "1.depthwise=fuse", "no row of conv here has depthwise filters"),
        ("fusenet", "all.depthwise=half", "did you mean 'fuse_half'"),
    ],
)
def test_a_form_that_no_row_can_take_is_refused(spec: str, edit: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_spec(spec).edit(edit)
