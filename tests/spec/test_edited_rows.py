"""Edits of what a row is: its op, its form, its residual, how often it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuseablate import InputError, load_spec, measure
from fuseablate.spec.spec import Spec, to_toml
from tests.helpers.edited import BASE, refused


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
    assert "'5/4' selects no row; row 5 stands 3 times" in refused("5/4.kernel=7", spec=deep)
    both = deep.edit("5.kernel=7", "5/2.kernel=3")
    assert [row.values()["kernel"] for row in both.rows[4:7]] == [7, 3, 7]


def test_an_id_gives_a_repeat_what_the_table_does_not_show() -> None:
    spec = load_spec("resnet50")  # whose blocks have no groups
    assert changed_rows(spec, "3/2.group_width=32") == ["3/2"]
    assert "selects no field" in refused("3-3.group_width=32", spec=spec)


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


def test_one_edit_gives_all_depthwise_filters_their_form() -> None:
    # FuSeNet's rows are fuse; with KxK filters they are mbconv's, and the way back is the pair.
    kxk = BASE.edit("all.depthwise=kxk")
    assert kxk.digest() == BASE.edit("fuse.op=mbconv").digest()
    assert kxk.edit("all.depthwise=fuse").digest() == BASE.digest()
    half = BASE.edit("all.depthwise=fuse_half")
    assert half.digest() == BASE.edit("fuse.variant=half").digest()
    # An edit of the op comes before, one of another field behind, in whatever order.
    both = BASE.edit_sampled("fuse.kernel=5", "3.op=mbconv", "all.depthwise=fuse_half")
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
