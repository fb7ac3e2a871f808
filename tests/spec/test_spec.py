"""Specs: what is refused, in what words; TOML there and back; what a digest depends on."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from fuseablate import InputError, load_spec
from fuseablate.spec.catalog import shipped_specs
from fuseablate.spec.spec import Spec, to_toml
from fuseablate.spec.table import inferred_row

HEAD = 'title = "a title"\ninput = 32\nclasses = 10\n'
STEM = '[[rows]]\nop = "conv"\nkernel = 3\nout = 8\nnorm = "batch"\nnl = "relu"\nstride = 2\n'
BLOCK = '[[rows]]\nop = "fuse"\nkernel = 3\nexp = 16\nout = 8\nse = true\nnl = "relu"\nstride = 1\n'
TAIL = '[[rows]]\nop = "pool"\n[[rows]]\nop = "conv"\nkernel = 1\nout = "classes"\n'
SMALL = HEAD + STEM + BLOCK + TAIL


def write(folder: Path, text: str) -> Path:
    path = folder / "net.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Spec:
    return load_spec(write(tmp_path, SMALL))


def test_batches_of_one_image_where_a_batch_norm_sees_a_1x1_map() -> None:
    """The baseline strides five times: at 32x32 row 10 ends in 1x1, at 64x64 in 2x2."""
    spec = load_spec("fusenet")
    with pytest.raises(InputError, match=r"^row 10: batch_size = 1: .* needs at least 2 images$"):
        spec.check_batch(1, (32, 32))
    spec.check_batch(2, (32, 32))
    spec.check_batch(1, (64, 64))
    spec.edit("all.norm=group").check_batch(1, (32, 32))  # over the channels of each image


def test_a_small_spec_by_hand(small: Spec) -> None:
    assert (small.name, small.title, small.input, small.classes) == (
        "net",
        "a title",
        (32, 32),
        10,
    )
    assert (small.divisor, small.dropout) == (8, 0.0)
    assert [row.id for row in small.rows] == ["1", "2", "3", "4"]
    assert [t.out_shape for t in small.infer()] == [(8, 16, 16), (8, 16, 16), (8, 1, 1), (10, 1, 1)]
    # 3x3x3x8 + BN 16; 8x16 + 2x16x3 + 2x(32x8) SE + 32x8 + BN 2x(16 + 32 + 8); 0; 80
    params = [t.cost.params for t in small.infer()]
    assert params == [216 + 16, 128 + 96 + 512 + 256 + 112, 0, 80]


def test_the_shipped_spec_is_found_by_its_name() -> None:
    assert "fusenet" in shipped_specs()
    assert load_spec("fusenet").digest() == load_spec(shipped_specs()["fusenet"]).digest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('op = "fuse"', 'op = "fuze"', "row 2: unknown op 'fuze'; did you mean 'fuse'?"),
        ('op = "fuse"', "op = 3", "row 2: unknown op '3'"),
        ('op = "fuse"', 'op = ["fuse"]', "row 2: unknown op"),
        ('op = "fuse"\n', "", "row 2: needs a value for 'op'"),
        ("exp = 16", "ex = 16", "row 2: unknown field of op 'fuse' 'ex'; did you mean 'exp'?"),
        ("exp = 16\n", "", "row 2: op 'fuse' needs a value for 'exp'"),
        ("se = true\n", "", "row 2: op 'fuse' needs a value for 'se'"),
        ("se = true", 'se = "yes"', "row 2: se: 'yes' is not true or false"),
        ("se = true", "se = 1", "row 2: se: 1 is not true or false"),
        ('nl = "relu"\nstride = 1', 'nl = "rely"', "row 2: nl: unknown value 'rely'; did you mean"),
        ('nl = "relu"\nstride = 1', "nl = 1", "row 2: nl: unknown value '1'"),
        ("kernel = 3\nexp", "kernel = 4\nexp", "row 2: kernel 4 is even"),
        ("kernel = 3\nexp", "kernel = 0\nexp", "row 2: kernel: 0 is too small"),
        ("kernel = 3\nexp", "kernel = -3\nexp", "row 2: kernel: -3 is too small"),
        ("kernel = 3\nexp", "kernel = 3.0\nexp", "row 2: kernel: 3.0 is not a whole number"),
        ("kernel = 3\nexp", "kernel = true\nexp", "row 2: kernel: True is not a whole number"),
        ("exp = 16", "exp = 99999999999", "row 2: exp: 99999999999 is too large"),
        ("out = 8\nnorm", "out = 0\nnorm", "row 1: out: 0 is too small"),
        ("stride = 2", "stride = 40", "row 1: kernel 3 with stride 40 leaves nothing of a 32x32"),
        ("stride = 2", "stride = 0", "row 1: stride: 0 is too small"),
        ("exp = 16", 'exp = 15\nvariant = "half"', "15 is odd; use 16"),
        ("stride = 1", 'stride = 1\norder = "KxK"', "row 2: order: unknown value 'KxK'"),
        ("stride = 1", "stride = 1\ndepth = 0", "row 2: depth: 0 is too small"),
        ("stride = 1", "stride = 1\ndepth = 99999999", "row 2: depth: 99999999 is too large"),
        ("stride = 2", "stride = 2\ndepth = 2", "row 1: depth: op 'conv' is not repeated"),
        ("stride = 1", "stride = 1\nse_reduction = 64", "use a reduction of at most 32"),
        ("input = 32", "input = 0", "input: 0 is too small"),
        ("input = 32", "input = [32, -1]", "input: -1 is too small"),
        ("input = 32", "input = [32, 32, 3]", "is not a size"),
        ("input = 32", 'input = "32"', "input: '32' is not a whole number"),
        ("input = 32\n", "", "needs a value for 'input'"),
        ("classes = 10\n", "", "needs a value for 'classes'"),
        ("classes = 10", "classes = 1", "classes: 1 is too small; it must be at least 2"),
        ("classes = 10", "classes = 10\ndropout = 1.0", "dropout: 1.0 is out of range"),
        ("classes = 10", "classes = 10\ndropout = nan", "dropout: nan is out of range"),
        ("classes = 10", "classes = 10\ndivisor = 0", "divisor: 0 is too small"),
        ("classes = 10", "classes = 10\nclases = 3", "unknown key 'clases'; did you mean 'classes"),
        ("classes = 10", "classes = 10\nedits = 3", "edits: 3 is not a list"),
        ("classes = 10", "classes = 10\nwhy = 3", "why: 3 is not a list"),
        ("classes = 10", 'classes = 10\nwhy = ["x"]', "needs field, value, origin and reason"),
        ('"a title"', "3", "title: 3 is not a text"),
        ('op = "pool"', 'op = "pool"\nkernel = 3', "row 3: unknown field of op 'pool' 'kernel'"),
        ('out = "classes"', "out = 7", "row 4: the network ends in 7x1x1"),
        ('[[rows]]\nop = "pool"\n', "", "classes"),
        ('op = "pool"', 'id = "2"\nop = "pool"', "row 2 appears twice; a row's id must be its own"),
        ('op = "pool"', 'id = "a.b"\nop = "pool"', "row 'a.b': an id is a number"),
        ('op = "pool"', 'id = "train"\nop = "pool"', "row 'train': an id is a number"),
        ('op = "pool"', 'id = "5-6"\nop = "pool"', "row '5-6': an id is a number"),
        ('op = "pool"', 'id = "1/2"\nop = "pool"', "row 1/2: repeats stand right behind"),
        ("classes = 10", "classes = 10 10", "not valid TOML"),
        (
            "classes = 10",
            "classes = 10\nforms = 3",
            'forms: write each as a table, such as [forms.cifar] with edits = ["..."]',
        ),
        (
            "classes = 10",
            'classes = 10\nforms = { "a b" = { edits = ["all.se=false"] } }',
            "forms: 'a b' is not a name; use letters, digits, _ and -",
        ),
    ],
)
def test_a_bad_spec_is_one_line_with_file_and_place(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert SMALL.count(old) == 1, "the case changes exactly one place"
    path = write(tmp_path, SMALL.replace(old, new))
    with pytest.raises(InputError) as error:
        load_spec(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    assert message in text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("rows = 3", "rows: write each row as a [[rows]] table"),
        ("rows = [1]", "rows: write each row as a [[rows]] table"),
        ("rows = []", "a spec needs at least one row"),
        ("", ""),
    ],
)
def test_rows_that_are_none(rows: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(said) + "$"):
        load_spec(write(tmp_path, HEAD + rows))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("nothing.toml: cannot be read")):
        load_spec(tmp_path / "nothing.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_spec(_folder(tmp_path / "folder.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(InputError, match=re.escape("bytes.toml: not UTF-8 text (byte 9)")):
        load_spec(tmp_path / "bytes.toml")
    with pytest.raises(InputError, match="unknown spec 'fusnet'; did you mean 'fusenet'"):
        load_spec("fusnet")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_depth_in_a_file_strides_once(tmp_path: Path) -> None:
    text = SMALL.replace("exp = 16", "exp = 16\ndepth = 3").replace("stride = 1", "stride = 2")
    spec = load_spec(write(tmp_path, text))
    assert [row.id for row in spec.rows] == ["1", "2", "2/2", "2/3", "3", "4"]
    assert [row.values()["stride"] for row in spec.rows[1:4]] == [2, 1, 1]
    assert spec.infer()[3].out_shape == (8, 8, 8)


EDITS = [
    "all.se=false",
    "fuse.variant=half",
    "5.depth=3",
    "fuse.op=mbconv",
    "16.bias=true",
    "14.se=true",
    "15-16.form=linear",
    "input=64x48",
    "dropout=0",
    "classes=7",
]


@pytest.mark.parametrize("edit", [None, *EDITS])
def test_toml_there_and_back(edit: str | None, tmp_path: Path) -> None:
    spec = load_spec("fusenet")
    spec = spec if edit is None else spec.edit(edit)
    again = load_spec(write(tmp_path, to_toml(spec)))
    assert again.rows == spec.rows
    assert again.digest() == spec.digest()
    for field in ("name", "title", "source", "input", "classes", "divisor", "dropout"):
        assert getattr(again, field) == getattr(spec, field), field


def test_toml_of_awkward_texts(tmp_path: Path, small: Spec) -> None:
    title = 'a "quoted" \\ backslash \n new line \t tab é 漢 \x7f'
    spec = dataclasses.replace(small, title=title)
    assert load_spec(write(tmp_path, to_toml(spec))).title == title


def test_dict_there_and_back(small: Spec) -> None:
    spec = small.edit("2.depth=2", "2.op=mbconv")
    again = Spec.from_dict(spec.to_dict())
    assert again == spec
    assert again.label == spec.label == "2.depth=2 2.op=mbconv"


def digest(folder: Path, text: str) -> str:
    return load_spec(write(folder, text)).digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a title"', '"another title"'),
        ("title = ", 'name = "other"\nsource = "x"\ntitle = '),
        ("input = 32", "input = [64, 32]"),
        ("classes = 10", "classes = 10\ndivisor = 4"),
        ("stride = 1\n", ""),  # the default
        ("stride = 1", "stride = 1\nresidual = false"),
        ("stride = 1", 'stride = 1\nnl2 = "same"'),
        ("stride = 1", 'stride = 1\nnl2 = "relu"'),
        ("stride = 1", 'stride = 1\nexpand = "wider"'),  # exp 16 is wider than 8 in
        ("stride = 2", "stride = 2\nse = false"),
        ("stride = 2", "stride = 2\nse_reduction = 2"),  # no SE there
        ("stride = 2", 'id = "1"\nstride = 2'),
        ('out = "classes"', "out = 10"),
        ('out = "classes"', 'out = "classes"\nnl = "identity"\nnorm = "none"'),
        ('out = "classes"', 'out = "classes"\ndropout = true'),  # p is 0
    ],
)
def test_the_same_network_has_the_same_digest(old: str, new: str, tmp_path: Path) -> None:
    assert SMALL.count(old) == 1
    assert digest(tmp_path, SMALL.replace(old, new)) == digest(tmp_path, SMALL)


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("classes = 10", "classes = 10\nnorm_momentum = {}"),
        SMALL.replace(BLOCK, '[[rows]]\nop = "convnext"\nscale = {}\n'),
    ],
)
def test_1_and_1_0_are_the_same_number(text: str, tmp_path: Path) -> None:
    # They are equal, so that what is remembered by the one would be given for the other.
    digests = []
    for number in ("1", "1.0"):
        inferred_row.cache_clear()
        digests.append(digest(tmp_path, text.format(number)))
    assert digests[0] == digests[1]


CHANGES = [
    ("kernel = 3\nexp", "kernel = 5\nexp"),
    ("exp = 16", "exp = 24"),
    ("out = 8\nse", "out = 16\nse"),
    ("se = true", "se = false"),
    ('nl = "relu"\nstride = 1', 'nl = "elu"\nstride = 1'),
    ("stride = 1", "stride = 2"),
    ("stride = 1", "stride = 1\nresidual = true"),
    ("stride = 1", 'stride = 1\nvariant = "half"'),
    ("stride = 1", 'stride = 1\norder = "Kx1,1xK"'),
    ("stride = 1", 'stride = 1\nnl2 = "elu"'),
    ("stride = 1", 'stride = 1\nnorm = "none"'),
    ("stride = 1", 'stride = 1\nse_place = "after_nl"'),
    ("stride = 1", 'stride = 1\nse_place = "after_project"'),
    ("stride = 1", "stride = 1\nse_reduction = 8"),
    ("stride = 1", "stride = 1\ndepth = 2"),
    ('op = "fuse"', 'op = "mbconv"'),
    ('norm = "batch"\n', ""),
    ("stride = 2", "stride = 2\nse = true"),
    ("stride = 2", "stride = 2\nbias = true"),
    ("classes = 10", "classes = 11"),
    ('out = "classes"', 'out = "classes"\nbias = true'),
    ('out = "classes"', 'out = "classes"\nform = "linear"'),
    ('op = "pool"', 'op = "pool"\nnl = "relu"'),
    (
        'out = "classes"',
        'out = "classes"\ndropout = true\n',
    ),
]


def test_every_functional_change_has_a_digest_of_its_own(tmp_path: Path) -> None:
    digests = [digest(tmp_path, SMALL)]
    for old, new in CHANGES:
        assert SMALL.count(old) == 1
        # with a probability the place of the dropout counts as well
        head = "dropout = 0.1\n" if "dropout" in new else ""
        digests.append(digest(tmp_path, head + SMALL.replace(old, new)))
    assert len(set(digests)) == len(CHANGES) + 1


def test_a_spec_is_frozen(small: Spec) -> None:
    row: Any = small.rows[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.kernel = 5


def test_the_spec_follows_the_data(small: Spec) -> None:
    followed = small.with_classes(7)
    assert followed.infer()[-1].out_shape == (7, 1, 1)
    assert followed.edits == ()
