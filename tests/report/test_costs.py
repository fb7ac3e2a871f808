"""Costs that no record holds, told by a report of what was trained before there were such."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from fuseablate import load_spec
from fuseablate.commands.program import main
from fuseablate.cost import spec_costs
from fuseablate.report import of_records
from tests.helpers.comparisons import shown
from tests.helpers.records import record

STORE = str(Path(__file__).parents[2] / "reports" / "se")
NAMES = ("cycles", "training_memory@64", "energy")


def reported(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["report", "se", "--runs", STORE, *words]) == 0
    return str(capsys.readouterr().out)


def test_each_form_has_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    base = load_spec("fusenet")
    expected = [spec_costs(spec, NAMES, (32, 32)) for spec in (base, base.edit("all.se=false"))]
    asked = ("--columns", f"score,{','.join(NAMES)}")
    rows = list(csv.DictReader(io.StringIO(reported(capsys, *asked, "--format", "csv"))))
    assert [{name: float(row[name]) for name in NAMES} for row in rows] == expected
    share = expected[1]["cycles"] / expected[0]["cycles"] - 1
    assert float(rows[1]["cycles_change"]) == pytest.approx(share)
    words = ("--columns", ",".join(NAMES), "--format", "json")
    (table,) = json.loads(reported(capsys, *words))
    assert [{name: row[name] for name in NAMES} for row in table["variants"]] == expected
    assert f"{expected[1]['cycles'] / 1e3:.1f}k" in reported(capsys, *asked)
    assert "Training memory@64 (MB)" in reported(capsys, *asked, "--format", "markdown")
    page = tmp_path / "page.html"
    plot = tmp_path / "plot.svg"
    files = ("--format", "html", "--output", str(page), "--plot", str(plot))
    reported(capsys, *asked, "--cost", "cycles", *files)
    assert 'data-cost="training_memory@64"' in page.read_text("utf-8")
    assert "Cycles" in plot.read_text("utf-8")


def test_variants_are_sorted_by_them(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("catalog", "--runs", str(Path(STORE).parent / "catalog"), "--columns", "energy")
    assert main(["report", *words, "--sort", "energy", "--format", "csv"]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    _, *values = (float(row["energy"]) for row in rows)  # the reference stays first
    assert values == sorted(values)
    assert len(set(values)) > 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--columns", "cyclse"), "did you mean 'cycles'"),
        (("--cost", "mac"), "did you mean 'macs'"),
        (("--sort", "seed"), "unknown order 'seed'"),
        (("--columns", "cycles@none"), "unknown hardware 'none'"),
    ],
)
def test_slips_are_one_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["report", "se", "--runs", STORE, *words])
    assert said in capsys.readouterr().err


def test_ranks_of_costs_and_scores_are_those_of_the_committed_study(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["report", "catalog", "--runs", str(Path(STORE).parent / "catalog")]
    assert main([*words, "--columns", "cycles", "--format", "json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    ranks, rows = table["rank_correlations"], table["variants"]
    for name in ("params", "macs", "cycles"):
        expected = spearmanr([row[name] for row in rows], [row["mean"] for row in rows]).statistic
        said = ranks["MACs" if name == "macs" else name]
        assert said["value"] == pytest.approx(expected)
        assert said["low"] < expected < said["high"]
    assert {"synflow", "naswot", "zico"} < ranks.keys()
    assert main([*words, "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert "Rank correlation (Spearman's, 95 % interval) with test top-1 over 10 variants" in text
    assert "untrained networks, seed 0, 2 batches of 64 images" in text


def test_another_study_ranks_the_networks_that_both_hold(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By scipy, from the committed records: validation accuracies there, test accuracies here."""
    catalog = Path(STORE).parent / "catalog"
    words = ["report", "catalog", "--runs", str(catalog), "--predicted-by", "catalog", "--json"]
    assert main(words) == 0
    (table,) = json.loads(capsys.readouterr().out)
    (manifest,) = catalog.glob("studies/*/study.json")
    means = []
    for variant in json.loads(manifest.read_text())["variants"]:
        records = [catalog / digest[:16] / "record.json" for digest in variant["runs"].values()]
        runs = [json.loads(path.read_text()) for path in records]
        means.append([sum(run[part]["top1"] for run in runs) / 3 for part in ("val", "test")])
    assert len(means) == 10
    expected = spearmanr(*zip(*means, strict=True)).statistic
    said = table["rank_correlations"]["catalog (5 epochs)"]
    assert said["value"] == pytest.approx(expected)
    assert said["low"] < expected < said["high"]


def test_two_studies_that_are_called_alike_both_rank_the_networks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One is of all three seeds, the other of the first alone: by scipy, from their records."""
    store = shutil.copytree(Path(STORE).parent / "catalog", tmp_path / "runs")
    (folder,) = (store / "studies").iterdir()
    manifest = json.loads((folder / "study.json").read_text())
    expected = []
    for name, seeds in (("catalog-aaaaaaaa", "012"), ("catalog-bbbbbbbb", "0")):
        means = []
        for variant in manifest["variants"]:
            variant["runs"] = {seed: variant["runs"][seed] for seed in seeds}
            runs = [
                json.loads((store / digest[:16] / "record.json").read_text())
                for digest in variant["runs"].values()
            ]
            means.append(sum(run["val"]["top1"] for run in runs) / len(runs))
        (store / "studies" / name).mkdir()
        (store / "studies" / name / "study.json").write_text(json.dumps(manifest))
        expected.append(means)
    ask = [word for name in "ab" for word in ("--predicted-by", f"catalog-{8 * name}")]
    assert main(["report", folder.name, "--runs", str(store), *ask, "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    reached = [row["mean"] for row in table["variants"]]
    for name, means in zip("ab", expected, strict=True):
        said = table["rank_correlations"][f"catalog (5 epochs) (catalog-{8 * name})"]
        assert said["value"] == pytest.approx(spearmanr(means, reached).statistic)
    # Of one that is named twice there is but one.
    twice = ["--predicted-by", folder.name, "--predicted-by", folder.name]
    assert main(["report", folder.name, "--runs", str(store), *twice, "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert "catalog (5 epochs)" in table["rank_correlations"]


def test_a_study_of_too_few_of_the_networks_is_said_to_rank_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Both have the baseline and the network without SE, and se-iso the rescaled one, too.
    assert main(["report", "se", "--runs", STORE, "--predicted-by", "se-iso"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "holds 2 of the networks here, too few to say how it ranks them: 5 are needed" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("catalog", "--predicted-by", "catalgo"), "catalgo"),
        (("catalog", "--predicted-by", "048adf1e"), "is a run, and must be a study"),
        (("--from", "mine.csv", "--predicted-by", "se"), "--predicted-by: is for runs of a store"),
    ],
)
def test_what_predicts_is_a_study(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = () if "--from" in words else ("--runs", str(Path(STORE).parent / "catalog"))
    assert main(["report", *words, *store]) == 2
    assert said in capsys.readouterr().err


def test_an_edited_run_alone_is_compared_with_its_table_unedited(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,306,112 params of 3,284,608 and 2,144,896 MACs of 4,123,392 (the source's table)."""
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["report", "03dafd8879ea4ed8", "--runs", STORE]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "all.se=false 1.31M -60.2 % 2.14M -48.0 %" in text
    assert "Costs are compared with those of fusenet without edits." in text
    assert main(["report", "03dafd8879ea4ed8", "--runs", STORE, "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert table["variants"][0]["macs_change"] == pytest.approx(2_144_896 / 4_123_392 - 1)


def test_where_the_unedited_table_is_not_known_nothing_is_said_to_be_equal() -> None:
    (alone,) = of_records([record(0, 0.4, "all.se=false", spec_name="mine")])
    text = " ".join(shown(alone, 140).split())
    assert re.search(r"all\.se=false \S+ - \S+ - 40\.00", text)
    assert "The table 'mine' without edits is not known here: costs are compared with none." in text
