"""`fuseablate show`, as a user sees it. The golden files were read against the source's table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuseablate import build, load_spec
from fuseablate.commands.program import main
from fuseablate.cost.machines import shipped_hardware
from fuseablate.spec.spec import Why
from tests.helpers.golden import Golden
from tests.helpers.shown import printed


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("show-80", 80, ()),
        ("show-140", 140, ()),
        ("show-32-80", 80, ("--input", "32")),
        ("show-32-140", 140, ("--input", "32")),
        ("show-edited-80", 80, ("--set", "fuse.residual=true 10.depth=2", "--set", "14.se=true")),
        ("show-mbconv-140", 140, ("--set", "fuse.op=mbconv", "--input", "32x64")),
        ("show-why-100", 100, ("--why",)),
        ("show-field-140", 140, ("--field", "--input", "32")),
    ],
)
def test_golden(
    name: str,
    columns: int,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
) -> None:
    golden(f"{name}.txt", printed(capsys, monkeypatch, columns, "show", "fusenet", *words))


# The source's cells that the wide table must print as they are, row by row.
WIDE_ROWS = """
1   224x224x3   Conv2d                  3x3      Yes  -    16    No   H-Swish  2
2   112x112x16  Fuse                    3x1,1x3  Yes  16   16    Yes  ReLU     2
3   56x56x16    Fuse                    3x1,1x3  Yes  72   24    No   ReLU     2
4   28x28x24    Fuse                    3x1,1x3  Yes  88   24    No   ReLU     1
5   28x28x24    Fuse                    5x1,1x5  Yes  96   40    Yes  H-Swish  2
6   14x14x40    Fuse                    5x1,1x5  Yes  240  40    Yes  H-Swish  1
7   14x14x40    Fuse                    5x1,1x5  Yes  240  40    Yes  H-Swish  1
8   14x14x40    Fuse                    5x1,1x5  Yes  120  48    Yes  H-Swish  1
9   14x14x48    Fuse                    5x1,1x5  Yes  144  48    Yes  H-Swish  1
10  14x14x48    Fuse                    5x1,1x5  Yes  288  96    Yes  H-Swish  2
11  7x7x96      Fuse                    5x1,1x5  Yes  576  96    Yes  H-Swish  1
12  7x7x96      Fuse                    5x1,1x5  Yes  576  96    Yes  H-Swish  1
13  7x7x96      Conv2d                  1x1      Yes  -    576   Yes  H-Swish  1
14  7x7x576     AdaptiveAveragePooling  7x7      No   -    -     -    -        1
15  1x1x576     Conv2d                  1x1      No   -    1024  -    H-Swish  1
16  1x1x1024    Conv2d                  1x1      No   -    100   -    -        1
"""


@pytest.mark.parametrize("columns", [118, 120, 140, 200])
def test_the_wide_table_is_the_sources(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, columns, "show", "fusenet").splitlines()
    expected = [line.split() for line in WIDE_ROWS.strip().splitlines()]
    assert [line.split()[:10] for line in lines[2:18]] == expected
    heads = "Row Input HxWxC Operator Kernel BN exp out SE NL stride Output Params MACs"
    assert " ".join(lines[1].split()) == heads
    assert "3,284,608 params, 73,851,648 MACs" in "\n".join(lines)


@pytest.mark.parametrize("columns", [20, 60, 80, 100, 117, 118, 140])
def test_nothing_is_cut_short_at_any_width(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "fusenet", "--set", "12.depth=2")
    text = printed(capsys, monkeypatch, columns, *words)
    assert "…" not in text
    assert columns < 60 or max(map(len, text.splitlines())) <= columns


def test_what_a_narrow_terminal_has_no_room_for_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = printed(capsys, monkeypatch, 60, "show", "fusenet", "--input", "32")
    assert "No room here for Input, BN, s." in text
    # The source's row 5 at 32x32; its costs by hand stand in the tests of costs.
    assert "5 Fuse 5x1,1x5 96 40 Yes H-Swish 2x2x40 30.0k 89.9k" in " ".join(text.split())


def test_the_narrow_table_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 80, "show", "fusenet").splitlines()
    assert max(len(line) for line in lines[1:18]) <= 80


def test_a_pipe_gets_the_whole_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["show", "fusenet"]) == 0
    out = capsys.readouterr().out
    stem = "1 224x224x3 Conv2d 3x3 Yes - 16 No H-Swish 2 112x112x16 464 5,419,008"
    assert " ".join(out.splitlines()[2].split()) == stem


@pytest.mark.parametrize(
    ("words", "side", "macs"),
    [((), 224, 73_851_648), (("--input", "32"), 32, 4_123_392)],
)
def test_json_has_the_keys_that_machines_are_promised(
    words: tuple[str, ...],
    side: int,
    macs: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = json.loads(printed(capsys, monkeypatch, 80, "show", "fusenet", "--json", *words))
    assert (table["spec"], table["input"]) == ("fusenet", side)
    assert (table["params"], table["macs"]) == (3_284_608, macs)
    rows = table["rows"]
    assert [row["row"] for row in rows] == [str(n) for n in range(1, 17)]
    assert [row["op"] for row in rows] == ["conv", *["fuse"] * 11, "conv", "pool", "conv", "conv"]
    assert rows[0]["in_shape"] == [3, side, side]
    assert rows[0]["out_shape"] == [16, side // 2, side // 2]
    assert rows[15]["out_shape"] == [100, 1, 1]
    assert (rows[0]["params"], rows[0]["macs"]) == (464, 432 * (side // 2) ** 2)
    assert sum(row["params"] for row in rows) == 3_284_608
    assert sum(row["macs"] for row in rows) == macs


def test_json_of_an_edited_spec_and_an_oblong_image(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "fusenet", "--json", "--set", "5.depth=2", "--input", "32x64")
    table = json.loads(printed(capsys, monkeypatch, 80, *words))
    assert table["input"] == [32, 64]
    assert table["edits"] == ["5.depth=2"]
    assert [row["row"] for row in table["rows"]][4:6] == ["5", "5/2"]
    assert table["rows"][0]["in_shape"] == [3, 32, 64]


def test_toml_can_be_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "fusenet", "--toml", "--set", "fuse.variant=half 5.depth=2")
    path = tmp_path / "half.toml"
    path.write_text(printed(capsys, monkeypatch, 80, *words), encoding="utf-8")
    spec = load_spec("fusenet").edit("fuse.variant=half", "5.depth=2")
    assert load_spec(path).digest() == spec.digest()


def test_why_says_of_each_choice_where_it_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(capsys, monkeypatch, 200, "show", "fusenet", "--why")
    origins = {line.split()[0]: line.split() for line in out.splitlines()[2:]}
    for choice in ("variant=full", "residual=false", "expand=always", "se_place=before_nl"):
        assert "inferred" in origins[f"fuse.{choice}"]
    for choice in ("fuse.norm=batch", "13.se=true", "16.bias=false", "16.dropout=true"):
        assert "source" in origins[choice]
    assert len(origins) == len(load_spec("fusenet").why)


NAMES = ["a [bold] name", "[/]", "net[0]", "a [/b] c"]


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_the_user_are_printed_as_they_are(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = json.dumps(name)
    path = tmp_path / "net.toml"
    path.write_text(
        f"name = {text}\ntitle = {text}\nsource = {text}\ninput = 32\nclasses = 10\n"
        '[[rows]]\nop = "pool"\n[[rows]]\nop = "conv"\nkernel = 1\nout = "classes"\n'
        f'[[why]]\nfield = {text}\nvalue = "1"\norigin = "source"\nreason = {text}\n',
        encoding="utf-8",
    )
    assert printed(capsys, monkeypatch, 140, "show", str(path)).startswith(f"{name}  {name}\n")
    why = printed(capsys, monkeypatch, 140, "show", str(path), "--why")
    assert why.count(name) == 4
    assert name in printed(capsys, monkeypatch, 140, "cost", str(path))
    assert load_spec(path).why == (Why(name, "1", "source", name),)


def test_check_passes_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("show", "fusenet", "--check", "--input", "32", "--set", "fuse.variant=half")
    out = printed(capsys, monkeypatch, 140, *words)
    assert "verified fusenet fuse.variant=half at 32x32" in out
    assert "each of the 16 rows" in out


def test_check_leaves_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "fusenet", "--check", "--json", "--input", "32"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["macs"] == 4_123_392
    assert "verified" in err


def test_check_fails_where_the_network_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_spec("fusenet").edit("3.kernel=5")
    monkeypatch.setattr(
        "fuseablate.network.check.build", lambda spec, **options: build(other, **options)
    )
    assert main(["show", "fusenet", "--check", "--input", "32"]) == 1
    out = capsys.readouterr().out
    # two taps more on each of two times 72 channels
    assert "differs row 3: params: layers say 5520, the trace 5808" in out
    assert "verified" not in out
    assert main(["cost", "fusenet", "--check", "--input", "32"]) == 1
    assert "differs fusenet: row 3: params" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("show", "fusenet"), ("diff", "fusenet", "fusenet_half")])
def test_machines_in_files_of_one_name_have_headings_of_their_own(
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = shipped_hardware()["systolic64"].read_text()
    for folder, side in (("a", "64"), ("b", "32")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(shipped.replace("64", side))
    columns = "cycles@a/mine.toml,cycles@b/mine.toml"
    text = printed(capsys, monkeypatch, 160, *words, "--columns", columns)
    assert "Cycles@a/mine" in text
    assert "Cycles@b/mine" in text


def test_no_cost_is_hinted_at_that_is_then_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", "fusenet", "--columns", "latncy"])
    assert "latency" not in capsys.readouterr().err
