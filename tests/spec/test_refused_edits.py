"""What is no edit, and what no network comes of: an error of one line."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuseablate import InputError, load_spec, measure
from tests.helpers.edited import BASE, refused


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
        ("classes=9999999999999999999", "is too long; it must be 2 to 1000000"),
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
    "edit",
    [["fuse.kernel=3"], ("fuse.kernel=3",), None, 3, BASE],
    ids=lambda edit: type(edit).__name__,
)
@pytest.mark.parametrize("method", ["edit", "edit_sampled"])
def test_edits_are_texts_each_by_itself(method: str, edit: object) -> None:
    with pytest.raises(InputError, match=r"^edit [^\n]{1,80}: is not a text.* edit\(\*edits\)$"):
        getattr(BASE, method)("all.se=false", edit)


def test_all_that_take_edits_take_them_alike() -> None:
    edits = ["fuse.kernel=3", "all.se=false"]
    assert BASE.edit(*edits) == BASE.edit_sampled(*edits)
    assert BASE.edit() is BASE.edit_sampled() is BASE


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
        ("17/2", "'17/2' selects no row; rows go from 1 to 16, and their ops are conv, fuse, pool"),
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
        ("pool.se=true", "in all its rows; name one row by its id, as in 14.se=true"),
        ("14-14.nl=relu", "selects no field"),
        ("pool.nl=relu", "selects no field"),
        ("15-16.se=true", "selects no field"),
        ("16.out=10", "write classes=10"),
        ("16-16.out=10", "selects no field"),
        # and each of these changes none
        ("all.dropout=true", "changes nothing: dropout is true already"),
        ("fuse.norm=batch", "changes nothing: norm is batch already"),
        ("5.kernel=5", "changes nothing: kernel is 5 already"),
        ("fuse.exp=x1", "changes nothing: x1 leaves exp as it is"),
        ("3.exp=x1.05", "changes nothing: x1.05 leaves exp as it is"),  # 72 * 1.05, on 8
        ("fuse.op=fuse", "changes nothing: op is fuse already"),
        ("fuse.depth=1", "changes nothing: depth is 1 already"),
        ("classes=100", "changes nothing: 'classes' is 100 already"),
        ("dropout=0.20", "changes nothing: 'dropout' is 0.20 already"),
        ("input=224", "changes nothing: 'input' is 224 already"),
        ("input=224x224", "changes nothing: 'input' is 224x224 already"),
        ("divisor=8", "changes nothing: 'divisor' is 8 already"),
    ],
)
def test_fields_and_cells_that_are_not_there(edit: str, message: str) -> None:
    assert message in refused(edit)


@pytest.mark.parametrize(
    ("edits", "said", "mended"),
    [
        ("fuse.kernel", "ROWS.FIELD=VALUE, such as fuse.kernel=5", "fuse.kernel=5"),
        ("kernel=3", "is a field of rows; say which, as in all.kernel=3", "all.kernel=3"),
        ("12-5.kernel=3", "'12-5' runs backwards; write 5-12", "5-12.kernel=3"),
        (
            "FUZE.kernel=7",
            "did you mean 'fuse'? rows go from 1 to 16, and their ops are conv, fuse, pool",
            "fuse.kernel=7",
        ),
        ("5/2.kernel=3", "'5/2' selects no row; row 5 stands once", "5.kernel=3"),
        ("fuse.kernel=x2", "only channels (exp, out) can; write a value", "fuse.kernel=7"),
        ("1.op=fuse 1.exp=x2", "no number of exp to scale; write a value", "1.op=fuse 1.exp=8"),
        ("fuse.exp=x0", "scaled by 0; use a factor such as x0.5", "fuse.exp=x0.5"),
        ("16.out=10", "one number for each class; write classes=10", "classes=10"),
        ("input=32x", "write 224 or, height first, 224x160, each from 1 to 99999", "input=224x160"),
        ("scale.width=24", "not a factor; write one, as in scale.width=x1.25", "scale.width=x1.25"),
        ("scale.depth=1", "not a factor; write one, as in scale.depth=x1.25", "scale.depth=x1.25"),
        (
            "scale.phi=10.1",
            "'10.1' is not a phi; write a number above 0 and up to 10, such as 1",
            "scale.phi=1",
        ),
        (
            "scale.phi=0",
            "'0' is not a phi; write a number above 0 and up to 10, such as 1",
            "scale.phi=0.5",
        ),
        (
            "scale.phi=x1",
            "'x1' is not a phi; write a number above 0 and up to 10, such as 1",
            "scale.phi=10",
        ),
        (
            "fuse.kernel=7 2-12.kernel=5",
            "conflict in row 2; keep one of them, or select fewer rows with one",
            "fuse.kernel=7 3-12.kernel=5",
        ),
        (
            "5.residual=true",
            "can take a residual; it needs stride 1 and as many channels in as out",
            "5.residual=true 5.stride=1 5.out=24",
        ),
    ],
)
def test_what_a_refusal_says_to_write_is_accepted(edits: str, said: str, mended: str) -> None:
    assert refused(*edits.split()).endswith(said)
    assert BASE.edit(*mended.split()).edits == tuple(mended.split())


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


def test_a_row_that_is_not_repeated_has_no_depth() -> None:
    assert "no row of pool is repeated; rows of fuse, mbconv, " in refused("pool.depth=2")
    assert "row 14: depth: op 'pool' is not repeated" in refused("14.depth=2")


@pytest.mark.parametrize(
    ("spec", "edit", "said"),
    [
        ("fusenet", "all.depthwise=fuse", "changes nothing: depthwise is fuse already"),
        (
            "vgg11",
            "all.depthwise=fuse",
            "no row of conv, maxpool, pool here has depthwise filters; those of fuse and mbconv "
            "have, and of conv with spatial=separable$",
        ),
        ("fusenet", "1.depthwise=fuse", "no row of conv here has depthwise filters"),
        ("fusenet", "all.depthwise=half", "did you mean 'fuse_half'"),
    ],
)
def test_a_form_that_no_row_can_take_is_refused(spec: str, edit: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_spec(spec).edit(edit)
