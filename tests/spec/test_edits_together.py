"""Edits beside each other: which of two holds, which conflict, and that their order is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuseablate.spec.scaling import resized
from tests.helpers.edited import BASE, cells, changed, refused


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
    assert "'scale.width' is set twice" in refused("scale.width=x2", "scale.phi=1")


def test_a_resolution_scales_the_input_as_it_is_edited() -> None:
    assert BASE.edit("scale.resolution=x0.5", "input=224x160").input == (112, 80)
    assert BASE.edit("input=224x160", "scale.phi=1").input == (258, 184)  # by 1.15: 257.6
    assert resized((9, 4), 0.1) == (1, 1)  # 0.9 and 0.4: no side is less than 1


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


def test_selectors_see_the_unedited_spec() -> None:
    # row 5 is a Fuse row while edits are made, whatever it will be
    after = BASE.edit("5.op=mbconv", "fuse.kernel=7")
    assert cells(after, "kernel")["5"] == 7
    assert "no row of op 'mbconv'" in refused("fuse.op=mbconv", "mbconv.kernel=3")
    assert "'5/2' selects no row" in refused("5.depth=2", "5/2.kernel=3")


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
    assert BASE.edit_sampled(*edits) == (BASE.edit(*rest) if rest else BASE)


# Row 1 has 16 channels: 8 in half the width, where 20 are 10, and so 16.
@pytest.mark.parametrize(
    ("edits", "kept"),
    [
        (("1.out=20", "scale.width=x0.5"), ("1.out=20", "scale.width=x0.5")),
        (("1.out=20", "scale.width=x0.3"), ("scale.width=x0.3",)),  # 4.8 and 6: 8 each
        (("divisor=4", "1.out=20", "scale.width=x0.3"), ("divisor=4", "scale.width=x0.3")),
        # x1 keeps 20 channels on the divisor 4, and so says nothing: on 8 it would make them 24.
        (("scale.width=x1", "divisor=4", "1.out=20"), ("1.out=20",)),
        (("5.se_kind=eca", "5.se=false", "1.out=17"), ("5.se=false", "1.out=17")),
        (("5.se_kind=eca", "5.se_bias=true", "5.se=false"), ("5.se=false",)),
    ],
)
def test_sampled_edits_are_those_that_a_person_could_write(
    edits: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    """Each that is left has an effect beside the others, so that `edit` takes them all."""
    assert BASE.edit_sampled(*edits).edits == kept
    assert BASE.edit_sampled(*edits) == BASE.edit(*kept)


def test_a_divisor_is_kept_where_a_width_comes_later() -> None:
    assert BASE.edit_sampled("divisor=4") is BASE
    later = BASE.edit_sampled("divisor=4", scaled_later=True)
    assert later == BASE.edit("divisor=4", scaled_later=True)
    assert later.divisor == 4


def test_a_divisor_beside_a_scaled_width_is_no_idle_edit() -> None:
    assert BASE.edit("divisor=4", "3.exp=x0.25").divisor == 4
    assert BASE.edit("divisor=4", scaled_later=True).divisor == 4
