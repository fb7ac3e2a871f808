"""`fuseablate diff`. The golden files were read against the table and hand arithmetic."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fuseablate import load_spec
from fuseablate.commands.program import main
from fuseablate.spec.difference import diff
from fuseablate.spec.spec import to_toml
from fuseablate.spec.table import InferredRow
from tests.helpers.golden import Golden

BASE = load_spec("fusenet")
EDITS = "all.se=false 12.depth=2 9.kernel=3 dropout=0.1"


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *words: str
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["diff", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("diff", ("--input", "32", "--set-b", EDITS)),
        ("diff-op", ("--set-a", "fuse.exp=x0.5", "--set-b", "2-5.op=mbconv")),
        ("diff-same", ()),
    ],
)
def test_golden(
    name: str,
    words: tuple[str, ...],
    columns: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
) -> None:
    monkeypatch.chdir(tmp_path)
    other = Path("other.toml")  # on another divisor, on which no layer depends
    other.write_text(to_toml(dataclasses.replace(BASE, divisor=4)))
    b = str(other) if name == "diff-same" else "fusenet"
    golden(f"{name}-{columns}.txt", printed(capsys, monkeypatch, columns, "fusenet", b, *words))


def params(rows: Sequence[InferredRow]) -> int:
    return sum(row.cost.params for row in rows)


def macs(rows: Sequence[InferredRow]) -> int:
    return sum(row.cost.macs for row in rows)


def test_rows_fields_and_costs_by_hand() -> None:
    """SE costs 2 e^2 params and as many MACs; row 9 sees maps of 2 x 2."""
    difference = diff(BASE, BASE.edit(*EDITS.split()), (32, 32))
    assert dict(difference.keys) == {"dropout": (0.2, 0.1)}
    assert not difference.same
    ids = [row.id for row in difference.rows]
    assert ids == [*map(str, range(1, 13)), "12/2", "13", "14", "15", "16"]
    rows = {row.id: row for row in difference.rows}
    off = {"se": (True, False)}
    assert rows["1"].fields == rows["3"].fields == rows["16"].fields == {}
    assert rows["6"].fields == off
    assert params(rows["6"].sides[0]) - params(rows["6"].sides[1]) == 2 * 240**2
    # two one-dimensional kernels on 144 channels each lose two weights, at 2 x 2 places
    assert rows["9"].fields == {"kernel": (5, 3), **off}
    assert params(rows["9"].sides[0]) - params(rows["9"].sides[1]) == 2 * 144**2 + 144 * 2 * 2
    assert macs(rows["9"].sides[0]) - macs(rows["9"].sides[1]) == 2 * 144**2 + 144 * 2 * 2 * 4
    assert rows["12/2"].before is None
    assert params(rows["12/2"].sides[0]) == macs(rows["12/2"].sides[0]) == 0
    assert macs(rows["12/2"].sides[1]) == macs(rows["12"].sides[1])
    assert params(difference.sides[0]) == 3_284_608
    assert macs(difference.sides[0]) == 4_123_392


def test_rows_of_the_first_alone_and_shapes_that_follow() -> None:
    difference = diff(BASE.edit("12.depth=2"), BASE.edit("4.out=40"))
    rows = {row.id: row for row in difference.rows}
    assert [row.id for row in difference.rows][11:14] == ["12", "12/2", "13"]
    assert (rows["12/2"].after, macs(rows["12/2"].sides[1])) == (None, 0)
    assert rows["4"].fields == {"out": (24, 40)}
    assert rows["5"].fields == {"in_shape": ((24, 28, 28), (40, 28, 28))}
    # the expansion to 96 channels reads 16 channels more
    assert params(rows["5"].sides[1]) - params(rows["5"].sides[0]) == 16 * 96


def test_the_same_network_written_in_two_ways() -> None:
    difference = diff(BASE, dataclasses.replace(BASE, divisor=4))
    assert difference.same
    assert dict(difference.keys) == {"divisor": (8, 4)}
    assert not any(row.fields for row in difference.rows)
    assert diff(BASE, BASE).same
    assert not diff(BASE, BASE.edit("all.nl=gelu")).same


def test_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("fusenet", "fusenet", "--set-b", "12.depth=2", "--set-b", "2.op=mbconv", "--json")
    table = json.loads(printed(capsys, monkeypatch, 80, *words, "--input", "32"))
    assert table["a"] == {"spec": "fusenet", "edits": [], "input": 32}
    assert table["b"]["edits"] == ["12.depth=2", "2.op=mbconv"]
    assert (table["same"], table["keys"]) == (False, {})
    assert (table["params"][0], table["macs"][0]) == (3_284_608, 4_123_392)
    rows = {row["row"]: row for row in table["rows"]}
    assert rows["2"]["fields"]["op"] == ["fuse", "mbconv"]
    assert rows["2"]["fields"]["variant"] == ["full", None]
    assert (rows["12/2"]["in"], rows["12/2"]["params"][0], rows["12"]["in"]) == ("b", 0, "ab")


def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "fusenet", "fusent"]) == 2
    assert "did you mean 'fusenet'?" in capsys.readouterr().err
    assert main(["diff", "fusenet", "fusenet", "--set-b", "2.se=maybe"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "edit '2.se=maybe'" in err


def test_what_one_op_alone_has_is_shown_where_it_is_no_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fusenet", "fusenet", "--set-a", "3.variant=half 4.order=Kx1,1xK")
    out = printed(capsys, monkeypatch, 140, *words, "--set-b", "2-4.op=mbconv").splitlines()
    rows = {line.split()[0]: line for line in out[3:]}
    assert "variant" not in rows["2"]
    assert "op fuse → mbconv, variant half → -" in rows["3"]
    assert "op fuse → mbconv, order Kx1,1xK → -" in rows["4"]


def test_no_number_is_cut_off_where_columns_are_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides of five costs have no room in 120 characters; the changes have."""
    monkeypatch.setenv("COLUMNS", "120")
    columns = "macs,traffic,intensity,energy,inference_memory"
    words = ["diff", "fusenet", "fusenet_half", "--input", "32", "--columns"]
    assert main([*words, columns]) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    heads = "MACs Traffic (MB) Intensity (MACs/byte) Energy (mJ) Inference memory (MB)"
    assert heads in " ".join(out.splitlines()[2].split())
    assert main([*words, "energy"]) == 0
    assert "Energy (mJ) A" in capsys.readouterr().out
