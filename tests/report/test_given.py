"""Results of runs that were trained elsewhere: read, refused, and compared as all others are."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from fuseablate import InputError, Report, ReportOptions, compare
from fuseablate.commands.program import main
from fuseablate.report.analysis import front_of
from tests.helpers.records import RECORDS

RESULTS = """\
variant,seed,score,params,macs,energy
wide,0,73.1,2000000,40000000,3e9
wide,1,,2000000,40000000,3e9
wide,2,73.5,2000000,40000000,3e9
baseline,0,70.1,1000000,20000000,1e9
baseline,1,70.4,1000000,20000000,1e9
baseline,2,69.9,1000000,20000000,1e9
"""
PAIR = [
    {"variant": name, "seed": seed, "score": score}
    for name, scores in {"plain": (70.1, 70.4, 69.9, 70.3), "se": (71.3, 71.9, 71.5, 71.2)}.items()
    for seed, score in enumerate(scores)
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("\ufeff" + RESULTS, encoding="utf-8")
    return path


def test_costs_rank_five_given_variants_and_more() -> None:
    """There are no runs, from which other reports know the networks."""
    rows: list[dict[str, str | int | None]] = [
        {"variant": name, "seed": seed, "score": 50 + 10 * place + seed, "macs": place + 1}
        for place, name in enumerate("abcde")
        for seed in (0, 1)
    ]
    assert "with score over 5 variants: MACs +1.00." in compare(rows).text("markdown")
    rows.append({"variant": "f", "seed": 0, "score": None, "macs": 9})  # has no place in the order
    assert "with score over 5 variants: MACs +1.00." in compare(rows).text("markdown")


@pytest.mark.parametrize(
    ("base", "costs", "said"),
    [
        ({"params": 10, "macs": 0}, {"params": 10, "macs": 7}, "se adds 7 MACs, and gains"),
        ({"params": 10, "macs": 5}, {"params": 10, "macs": 5}, "se, at the same cost, gains"),
        ({}, {"params": 10, "macs": 5}, "se gains"),
        ({"params": 10}, {"params": 10, "macs": 5}, "se gains"),
    ],
)
def test_costs_are_compared_where_both_have_them(
    base: dict[str, int], costs: dict[str, int], said: str
) -> None:
    rows = [row | (base if row["variant"] == "plain" else costs) for row in PAIR]
    assert said in compare(rows).conclusion


def test_a_front_is_computed_once_for_all_its_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, str | int | None]] = [
        {"variant": str(at), "seed": 0, "score": 50 + at, "macs": 10 + at // 2} for at in range(8)
    ]
    report = compare(rows)
    fronts: list[object] = []

    def counted(*given: Any) -> set[str]:
        fronts.append(given)
        return front_of(*given)

    monkeypatch.setattr("fuseablate.report.report.front_of", counted)
    assert [row.variant.name for row in report.front] == ["1", "3", "5", "7"]
    assert len(fronts) == 1


def test_a_pair_is_judged_by_the_paired_t() -> None:
    report = compare(PAIR)
    plain, se = report.variants
    differences = [1.2, 1.5, 1.6, 0.9]
    known = ttest_rel([row["score"] for row in PAIR[4:]], [row["score"] for row in PAIR[:4]])
    low, high = known.confidence_interval(0.95)
    assert plain.mean == pytest.approx(70.175)
    assert se.delta
    assert se.delta.mean == pytest.approx(statistics.fmean(differences))
    assert (se.delta.low, se.delta.high) == pytest.approx((low, high))
    assert se.verdict == "better"
    assert report.best is se
    assert "se gains 1.3" in report.conclusion


def test_the_command_reads_the_same(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    assert main(["report", "--from", str(results)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    report = compare(results)
    assert [line.rstrip() for line in out.strip().splitlines()] == str(report).splitlines()
    # the one called baseline is the reference, though it stands last
    baseline, wide = report.variants
    assert (baseline.verdict, wide.variant.seeds, dict(wide.scores)) == (
        "reference", (0, 1, 2), {0: 73.1, 2: 73.5},
    )  # fmt: skip
    row = next(line for line in out.splitlines() if line.startswith("wide"))
    # params, MACs, and mJ, of which the file has a pJ each, 1e9 of them
    assert row.split()[1:4] == ["2.00M", "40.0M", "3.000"]
    assert "2 of 3" in row
    assert "Val top-1" not in report._repr_html_()  # wide as it is
    assert "test set" not in out


def test_every_form_is_written(results: Path, tmp_path: Path) -> None:
    report = compare(results)
    for name in ("r.md", "r.tex", "r.csv", "r.json", "r.html", "r.txt", "r.png", "r.svg", "r.pdf"):
        report.write(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 300, name
    (line, other) = csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text()))
    assert (line["variant"], other["variant"]) == ("baseline", "wide")
    assert (other["energy"], other["macs_change"]) == ("3000000000.0", "1.0")
    (table,) = json.loads((tmp_path / "r.json").read_text())
    assert table["variants"][1]["runs"] == [{"seed": 0, "score": 73.1}, {"seed": 2, "score": 73.5}]
    assert json.loads(json.dumps(report.to_dict())) == {"comparisons": [table]}
    for word in ("Score", "mine", "100.0"):
        assert word in (tmp_path / "r.html").read_text()
    with pytest.raises(InputError, match=r"r\.doc: must end in \.md"):
        report.write(tmp_path / "r.doc")


def test_a_data_frame_and_back() -> None:
    frame = pd.DataFrame(PAIR).astype({"seed": np.int32})
    frame.loc[7, "score"] = np.nan
    frame["params"] = [1000] * 4 + [1100] * 4
    report = compare(frame, reference="se", options=ReportOptions(cost="params", matters=0.5))
    table = report.to_pandas()
    assert list(table["variant"]) == ["se", "plain"]
    assert list(table["seeds"]) == [3, 4]
    assert table["mean"][0] == pytest.approx((71.3 + 71.9 + 71.5) / 3)
    assert table["params_change"][1] == pytest.approx(1000 / 1100 - 1)
    # by hand: plain costs less, se scores more, and none beats the other
    assert {row.variant.name for row in report.front} == {"se", "plain"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no result; it needs a header and a line for each run\n"),
        ("variant,seed,score\n", "holds no result; it needs a header and a line for each run\n"),
        (
            "variant,seed\na,0\n",
            "line 1: column 'score' is missing; needed are variant, seed, score, and any cost "
            "such as params or macs may stand beside them\n",
        ),
        ("variant,seed,acuracy\na,0,1\n", "line 1: unknown column 'acuracy'"),
        ("variant,seed,score,mac\na,0,9,1\n", "'mac'; did you mean 'macs'?"),
        ("variant,seed,score,seed\na,0,9,1\n", "line 1: names the column 'seed' twice"),
        ("variant;seed;score\na;0;9\n", "line 1: columns are separated by semicolons; use commas"),
        ("variant,seed,score\na,0,70\n\na,1\n", "line 4: has 2 values, and the header 3"),
        ("variant,seed,score\na,0,70\n,1,71\n", "line 3, column variant: is empty"),
        ("variant,seed,score\na,x,70\n", "line 2, column seed: 'x' is not a number"),
        ("variant,seed,score\na,0.5,70\n", "line 2, column seed: 0.5: must be a whole number"),
        ("variant,seed,score\na,,70\n", "line 2, column seed: is empty: must be a whole"),
        ("variant,seed,score\na,0,70 %\n", "line 2, column score: '70 %' is not a number"),
        ("variant,seed,score\na,0,inf\n", "line 2, column score: 'inf' is not a number"),
        ("variant,seed,score\na,0,170\n", "line 2, column score: 170: must be from 0 to 100"),
        ("variant,seed,score\na,0,0.70\nb,0,0.8\n", "no value is above 1; scores are in percent"),
        ("variant,seed,score\na,0,70\na,0,71\n", "line 3, column seed: a has seed 0 twice"),
        ("variant,seed,score,macs\na,0,7,5\na,1,8,6\n", "line 3, column macs: 6: a has 5 above"),
        ("variant,seed,score,macs\na,0,7,-5\n", "line 2, column macs: -5: must not be negative"),
        ('variant,seed,score\n"a,0,70\na,1,71\n', "line 3: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    assert main(["report", "--from", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert str(path) in err
    assert said in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reference", "se"], "unknown variant 'se'"),
        (["se"], "--from: compares the runs of a file, and not of se; ask for each alone\n"),
        (
            ["--runs", "here"],
            "--runs: is for runs of a store; the file of --from has a score\n",
        ),
        (["--metric", "val_top1"], "--metric: is for runs of a store"),
        (
            ["--interval", "both"],
            "--interval both: needs the result of each image, which --from has not\n",
        ),
        (["--filter", "nothing"], "--filter nothing: no variant here"),
    ],
)
def test_flags_that_mean_nothing_here(
    words: list[str], said: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--from", str(results), *words]) == 2
    assert said in capsys.readouterr().err


def test_what_python_refuses() -> None:
    for given, said in (
        ([], "there is no run to compare"),
        ([3], "row 0: is no record"),
        ([*PAIR, {"variant": "a", "seed": 0}], "row 8: column 'score' is missing"),
        ([*PAIR, {**PAIR[0], "seed": True}], "row 8, column seed: 'True' is not a number"),
        ([*PAIR, {**PAIR[0], "variant": math.nan}], "row 8, column variant: is empty"),
    ):
        with pytest.raises(InputError, match=said):
            compare(given)
    with pytest.raises(InputError, match=r"^some .* records and some are not; compare each alone$"):
        compare([RECORDS[0], PAIR[0]])
    with pytest.raises(InputError, match=r"^form 'pdf': must be one of table, markdown, "):
        compare(PAIR).text("pdf")
    with pytest.raises(InputError, match="unknown metric 'top1'"):
        ReportOptions(metric="top1")


def test_all_are_zero_or_none() -> None:
    report = compare(
        [{"variant": "a", "seed": 0, "score": 0}, {"variant": "b", "seed": 0, "score": math.nan}]
    )
    assert isinstance(report, Report)
    assert [row.mean for row in report.variants] == [0.0, None]
    assert "no claim" in str(report)


def test_a_seed_of_64_bits_is_itself() -> None:
    """Which no float holds; these two are one float."""
    seeds = (2**60 + 1, 2**60 + 2)
    rows = [{"variant": "a", "seed": str(seed), "score": 70 + seed % 2} for seed in seeds]
    rows += [{"variant": "b", "seed": seed, "score": 71 + seed % 2} for seed in seeds]
    rows += [{"variant": "b", "seed": "3.0", "score": 70}]
    a, b = compare(rows).variants
    assert a.variant.seeds == seeds
    assert b.variant.seeds == (3, *seeds)


def test_costs_stand_in_the_order_of_their_columns() -> None:
    """Which sets have by chance alone: of seven there are 5,040 orders."""
    costs = ("traffic", "cycles@systolic64", "energy", "cycles", "bytes", "intensity", "roofline")
    row = {"variant": "a", "seed": 0, "score": 70.0, **dict.fromkeys(costs, 3)}
    assert compare([row])[0].comparison.costs == costs


def test_only_the_end_of_a_line_ends_one(tmp_path: Path) -> None:
    """No other character that `str.splitlines` takes for an end, as text from elsewhere has."""
    path = tmp_path / "ends.csv"
    path.write_bytes('variant,seed,score\r\na\x85b,0,71\r\n"c\u2028d",0,72\r\n'.encode())
    assert [row.variant.name for row in compare(path).variants] == ["a\x85b", "c\u2028d"]
