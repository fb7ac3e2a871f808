"""The report of studies: what a reader sees of each design."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.report import ReportOptions, analyse, of_records
from fuseablate.report.differences import VERDICT_MARKS
from fuseablate.report.files import WRITERS
from fuseablate.runs.manifest import Manifest, PlannedVariant, Trial
from fuseablate.runs.record import Record
from tests.helpers.comparisons import (
    BASE,
    LEAN,
    LEVELS,
    STUDIES,
    comparison,
    digest_of,
    planned,
    searched,
    shown,
    stored,
    study,
    written,
)
from tests.helpers.golden import Golden
from tests.helpers.records import record
from tests.helpers.report_text import unbroken


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_as_a_reader_sees_it(name: str, width: int, golden: Golden) -> None:
    golden(f"report_{name}_{width}.txt", shown(STUDIES[name], width))


@pytest.mark.parametrize("width", [40, 60, 80, 110, 120, 140])
@pytest.mark.parametrize("name", STUDIES)
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(name: str, width: int) -> None:
    text = shown(STUDIES[name], width)
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert "…" not in text
    for row in analyse(STUDIES[name]).sections[0].variants[1:]:
        assert f"{VERDICT_MARKS[row.verdict]} {row.verdict}" in text


def test_what_a_narrow_terminal_has_no_room_for_is_said() -> None:
    text = shown(STUDIES["one_factor"], 40)
    assert "No room here for params, macs, seeds," in text
    assert "  35.57 ± 0.60 ▼▼ worse" in text.replace("all.se=false", "")
    chosen = shown(
        STUDIES["one_factor"], 40, ReportOptions(columns=("delta", "macs", "params", "seeds"))
    )
    assert "No room here for seeds (see" in chosen
    assert "2.14M" in chosen
    # Where runs are missing, how many there are goes last.
    assert "2 of 3" in shown(STUDIES["missing"], 40)


def said_of(*made: tuple[PlannedVariant, list[Record]], design: str = "one-factor") -> str:
    """What the report says beneath its table."""
    text = shown(comparison(design, *made), 300)
    return " ".join(text.partition("\n\n")[2].split())


def test_what_is_said_where_nothing_can_be_judged() -> None:
    base, off = planned("baseline", "", BASE, 0.40, 0.41), planned("off", "", LEAN, 0.3, 0.32)
    no_base = planned("baseline", "", BASE, -1, -1)
    assert "The reference has no result" in said_of(no_base, off)
    assert "No variant has a result" in said_of(base, planned("off", "", LEAN, -1, -1))
    paired, lone = planned("baseline", "", BASE, 0.40, -1), planned("off", "", LEAN, 0.3, -1)
    assert "One seed of the reference: differences may be seed noise" in said_of(paired, off)
    assert "One seed of each variant: differences" in said_of(base, lone)
    assert "One seed: differences" in said_of(paired, lone)
    assert "No run has a result." in said_of(no_base)
    assert "No run has a result, so" in said_of(no_base, planned("off", "", LEAN, -1, -1))
    assert "One variant, 2 seeds: there is nothing to compare" in said_of(base)
    assert "One variant, one seed: there is nothing to compare" in said_of(paired)


def test_a_study_without_a_run_is_shown_in_every_form() -> None:
    made = [planned("baseline", "", BASE, -1, -1), planned("off", "a", LEAN, -1, -1)]
    none = comparison("factorial", *made)
    assert "Runs" not in shown(none, 80).split()
    assert "0 of 2" in shown(none, 80)
    for form in WRITERS:
        text = written(form, none)
        assert "no run has ended" in text or form == "csv"
        assert "recipe ." not in text


def test_the_reference_is_named_where_no_run_is_without_edits() -> None:
    (compared,) = of_records([record(0, 0.4, "all.se=false"), record(0, 0.4, "fuse.kernel=3")])
    assert "No run without edits is among these: the reference is all.se=false" in shown(
        compared, 140
    )


def test_variants_that_make_no_claim_are_named_beside_those_that_do() -> None:
    said = said_of(
        planned("baseline", "", BASE, 0.40, 0.40, 0.40),
        planned("off", "", LEAN, 0.30, 0.32, 0.31),
        planned("lone", "", LEAN, 0.35, -1, -1),
        planned("none", "", LEAN, -1, -1, -1),
    )
    assert "off saves 60.2 % of the params" in said
    assert "lone: one seed, no claim." in said
    assert "none: no result, no claim." in said


def test_a_search_that_has_found_nothing() -> None:
    def trial(number: int, state: str, top1: float | None = None, *, point: bool = False) -> Trial:
        return Trial(number=number, state=state, seeds=1, top1=top1, params=10, macs=200,
                     latency=None, edits="", finalist=False, point=point)  # fmt: skip

    base = planned("baseline", "", BASE, 0.40, 0.41)
    pruned = shown(comparison("search", base, **searched(trial(0, "pruned"), trial(1, "fail"))), 80)
    assert "2 trials by tpe: 1 pruned, 1 failed" in pruned
    assert "Val top-1" not in pruned
    assert "Hypervolume" not in pruned
    assert "No finalist has been trained yet" in pruned
    half = shown(comparison("search", base, **searched(trial(0, "complete", 30.0))), 80)
    assert "1 ended after the first seed" in half
    assert "1 of 3" in half
    none = shown(comparison("search", base, **searched()), 80)
    assert "0 trials by tpe: none" in none
    own = [trial(place, "complete", 30.0 + place, point=True) for place in range(2)]
    some = shown(comparison("search", base, **searched(*own, trial(2, "complete", 29.0))), 200)
    assert "Search: 3 trials, 2 points of the study's file and 1 by tpe: 3 ended after" in some
    assert "tpe, observed  30.00" in some
    alone = shown(comparison("search", base, **searched(*own)), 200)
    assert "Search: 2 trials, 2 points of the study's file: 2 ended after" in alone
    assert "points, observed  30.00" in alone


def test_no_spread_in_a_factorial_and_no_result_in_a_per_row_study() -> None:
    cells = [planned(f"cell {at}", "", BASE, 0.1, 0.1, levels=(LEVELS[at],)) for at in range(4)]
    assert "No effects: they need two seeds" in said_of(*cells, design="factorial")
    rows = [planned(f"row {at}", "", BASE, -1, levels=({"row": str(at)},)) for at in range(3)]
    assert "What each row loses" not in said_of(*rows, design="per-row")


# Where SE is off its reduction changes nothing: two combinations are one network.
IDLE = (
    planned("baseline", "", BASE, 0.490, 0.500, 0.510,
            levels=({"se": "baseline", "reduction": "baseline"},)),
    planned("reduction=2", "2.se_reduction=2", BASE, 0.500, 0.500, 0.515,
            levels=({"se": "baseline", "reduction": "2"},)),
    planned("se=off", "2.se=false", LEAN, 0.435, 0.445, 0.440,
            levels=({"se": "off", "reduction": "baseline"}, {"se": "off", "reduction": "2"})),
)  # fmt: skip


def test_effects_where_combinations_are_one_network() -> None:
    text = shown(comparison("factorial", *IDLE), 140)
    # (44 - 50 + 44 - 50.5) / 2 and (50.5 - 50 + 44 - 44) / 2.
    assert re.search(r"se=off +-6\.25 \[", text)
    assert re.search(r"reduction=2 +\+0\.25 \[.*unclear", text)


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "json"])
def test_effects_stand_in_every_form(form: str) -> None:
    text = written(form, STUDIES["factorial"])
    if form == "json":
        effects = json.loads(text)[0]["effects"]
        # Without se 35.43 and 34.93, with it 40.43 and 39.43: the mean difference is -4.75.
        assert effects[0]["effect"] == "se=off"
        assert effects[0]["delta"] == pytest.approx(-4.75)
        assert [effect["verdict"] for effect in effects] == ["worse", "same", "same"]
    else:
        minus = "$-$" if form == "latex" else "\u2212"
        assert f"{minus}4.75" in text
        assert "se=off with kernel=3" in unbroken(text)
        assert "+0.50" in text


def test_a_factor_that_changes_nothing_has_no_effect() -> None:
    on, off = (
        tuple({"se": se, "idle": idle} for idle in ("baseline", "x")) for se in ("baseline", "off")
    )
    base = planned("baseline", "", BASE, 0.490, 0.500, 0.510, levels=on)
    other = planned("se=off", "2.se=false", LEAN, 0.435, 0.445, 0.443, levels=off)
    text = shown(comparison("factorial", base, other), 140)
    assert re.search(r"^idle=x +none +the same networks", text, re.MULTILINE)
    assert re.search(r"^se=off +-5\.", text, re.MULTILINE)


def test_a_manifest_of_before_gives_the_levels_of_each_combination(tmp_path: Path) -> None:
    manifest, _ = study("factorial", *IDLE)
    manifest.save(tmp_path)
    path = tmp_path / "study.json"
    table = json.loads(path.read_text())
    table["variants"][2]["names"] = ["se=off", "se=off,reduction=2", "se=off (iso MACs)", "trial 3"]
    assert len(table["variants"][2]["levels"]) == 2
    for variant in table["variants"]:
        variant["levels"] = variant["levels"][0]  # as it was: those of the first name alone
    path.write_text(json.dumps(table))
    read = Manifest.load(tmp_path)
    assert [combination.levels for combination in read.variants] == [
        combination.levels for combination in manifest.variants
    ]


def test_seeds_that_are_missing_cannot_be_hidden() -> None:
    missing, options = STUDIES["missing"], ReportOptions(columns=("score",))
    assert "2 of 3" in shown(missing, 80, options)
    assert "2 of 3" in written("markdown", missing, options=options)
    lines = csv.DictReader(io.StringIO(written("csv", missing, options=options)))
    assert [(line["seeds"], line["seeds_asked"]) for line in lines] == [("3", "3"), ("2", "3")]


def _shared_prefix(root: Path) -> str:
    """The first digit that most of the runs share: two at least, by the digests above."""
    first = [path.parent.name[0] for path in root.glob("*/record.json")]
    return max(first, key=first.count)


def test_studies_and_runs_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path)
    runs = ["--runs", str(tmp_path)]
    for name in ("se", "se-01234567"):
        assert main(["report", name, *runs]) == 0
        assert "Squeeze-and-excitation" in capsys.readouterr().out
    assert main(["report", digest_of("se=off", 1)[:16], *runs]) == 0
    assert "36.20" in capsys.readouterr().out
    assert main(["report", *runs]) == 0
    assert "'fuseablate report NAME': se-01234567" in capsys.readouterr().out
    assert main(["report", "sa", *runs]) == 2
    error = capsys.readouterr().err
    assert "unknown study or run 'sa'; did you mean 'se'?" in error
    assert "6 more runs)" in error  # of nine, three are named
    assert main(["report", "studies/se.toml", "se", *runs]) == 0
    assert capsys.readouterr().out.count("What does it buy?") == 1
    digest = digest_of("se=off", 1)
    assert main(["report", digest, digest[:16], digest[:8], *runs, "--json"]) == 0
    (alone,) = json.loads(capsys.readouterr().out)
    assert [len(variant["runs"]) for variant in alone["variants"]] == [1]
    path = tmp_path / digest[:16] / "record.json"
    text = path.read_text()
    path.write_text(text[:500])  # half-written
    assert main(["report", digest[:8], *runs]) == 2
    assert f"{digest[:16]}/record.json: not a record" in capsys.readouterr().err
    path.write_text(text)
    shared = _shared_prefix(tmp_path)
    assert main(["report", shared, *runs]) == 2
    assert "begin with it (" in capsys.readouterr().err
    target = tmp_path / "se.md"
    assert main(["report", "se", *runs, "--format", "markdown", "--output", str(target)]) == 0
    assert target.read_text().startswith("### Squeeze-and-excitation")
    spoilt = tmp_path / "studies" / "se-01234567" / "study.json"
    whole = spoilt.read_text()
    spoilt.write_text("{")
    assert main(["report", "se", *runs]) == 2
    assert "not a study's manifest" in capsys.readouterr().err
    spoilt.write_text(json.dumps({**json.loads(whole), "variants": []}))
    assert main(["report", "se", *runs]) == 2
    assert "it has no variant" in capsys.readouterr().err
    spoilt.write_text(whole)
    for path in tmp_path.glob("*/record.json"):
        path.unlink()
    assert main(["report", *runs]) == 2
    assert "'fuseablate report NAME' shows what a study plans: se-0" in capsys.readouterr().err
    assert main(["report", "se", *runs]) == 0
    shutil.rmtree(tmp_path)
    assert main(["report", "se", *runs]) == 2
    assert "holds no run and no study" in capsys.readouterr().err
    assert main(["report", *runs]) == 2
    assert "holds no finished run; train one" in capsys.readouterr().err
