"""The report of studies: what a reader sees of each design, and the written forms."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.report import COLUMN_NAMES, ReportOptions, analyse, of_records, read_columns
from fuseablate.report.analysis import pareto_front
from fuseablate.report.differences import VERDICT_MARKS
from fuseablate.report.files import WRITERS
from fuseablate.report.screen.drawings import interval_bar, sparkline
from fuseablate.report.search_progress import hypervolumes
from fuseablate.runs.manifest import Manifest, PlannedVariant, Searched, Trial
from fuseablate.runs.record import Record
from fuseablate.stats import Delta, Interval
from tests.helpers.comparisons import (
    BASE,
    LEAN,
    LEVELS,
    STUDIES,
    comparison,
    digest_of,
    planned,
    shown,
    stored,
    study,
    written,
)
from tests.helpers.golden import Golden
from tests.helpers.programs import Needs
from tests.helpers.records import record


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


def searched(*trials: Trial) -> dict[str, Searched]:
    refused = {"over budget": 5, "impossible": 0, "repeated": 1}
    return {"search": Searched(sampler="tpe", objectives=("accuracy", "macs"), seeds=3,
                               trials=trials, refused=refused, importance={})}  # fmt: skip


def test_a_search_that_has_found_nothing() -> None:
    def trial(number: int, state: str, top1: float | None = None) -> Trial:
        return Trial(number=number, state=state, seeds=1, top1=top1, params=10, macs=200,
                     latency=None, edits="", finalist=False)  # fmt: skip

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


def test_sort_filter_metric_and_runs() -> None:
    three = STUDIES["one_factor"]
    by_macs = shown(three, 140, ReportOptions(sort="macs"))
    assert by_macs.index("se=off ") < by_macs.index("kernel=3 ")
    by_score = shown(three, 140, ReportOptions(sort="score"))
    assert by_score.index("kernel=3 ") < by_score.index("se=off ")
    table = shown(three, 140, ReportOptions(filter="KERNEL")).split("\n\n")[0]
    assert "fusenet" not in table
    assert "baseline" in table
    assert "all.se=false" not in table
    # Validation scores lie a point below the test scores in these records.
    assert "39.50 ± 0.50" in shown(three, 140, ReportOptions(metric="val_top1"))


CHOSEN = ("verdict", "macs", "score")


@pytest.mark.parametrize("width", [80, 140])
def test_chosen_columns_in_their_order_in_a_terminal(width: int) -> None:
    lines = shown(STUDIES["one_factor"], width, ReportOptions(columns=CHOSEN)).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("Variant"))
    assert re.sub(" +", " ", lines[at]) in (
        "Variant MACs Test top-1",
        "Variant MACs change Test top-1",
    )
    cells = re.split(" {2,}", lines[at + 2])
    assert cells[0] == "se=off"
    assert cells[-1] == "35.57 ± 0.60"
    assert "▼ worse" in lines[at + 2]
    assert "1.31M" not in lines[at + 2]


def test_chosen_columns_in_the_written_forms() -> None:
    heads = {
        form: written(form, STUDIES["one_factor"], options=ReportOptions(columns=CHOSEN))
        for form in WRITERS
    }
    verdict = "worse, whatever the spreads"
    row = f"| `se=off`<br>`all.se=false` | {verdict} | 2.14M (\u221248.0 %) | 35.57 ± 0.60 |"
    assert heads["markdown"].splitlines()[4:6] == [
        "| Variant | Verdict | MACs | Test top-1 (%), mean ± sd |",
        "|---|---|--:|--:|",
    ]
    assert row in heads["markdown"]
    assert "Xlrr@{}}" in heads["latex"]
    assert "Variant & Verdict & MACs & Test top-1 " in heads["latex"]
    assert r"se=off & worse$^{\dagger}$ & 2.14M & 35.57 $\pm$ 0.60 \\" in unbroken(heads["latex"])
    head = "comparison,variant,edits,aliases,verdict,holds,why,macs,macs_change,mean,sd"
    assert heads["csv"].splitlines()[0] == head
    assert re.findall('scope="col".*?<button.*?>(.*?)<', heads["html"])[:4] == [
        "Variant", "Verdict", "MACs", "Test top-1 (%), mean ± sd",
    ]  # fmt: skip
    assert '<th scope="col"><button type="button">Params' not in heads["html"]


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "html", "json"])
def test_order_and_filter_hold_in_every_form(form: str) -> None:
    def order(look: ReportOptions) -> list[str]:
        text = written(form, STUDIES["one_factor"], options=look)
        if form == "json":
            text = json.dumps(json.loads(text)[0]["variants"])
        elif form == "html":
            text = text[text.index("<table") : text.index("</table>")]
        elif form == "markdown":
            text = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        elif form == "latex":
            text = unbroken(text[text.index("midrule") : text.index("bottomrule")])
        names = {"se=off", "kernel=3"}
        return sorted((name for name in names if name in text), key=text.index)

    assert order(ReportOptions()) == ["se=off", "kernel=3"]
    assert order(ReportOptions(sort="score")) == ["kernel=3", "se=off"]
    assert order(ReportOptions(filter="kernel")) == ["kernel=3"]


def test_latency_is_a_column_where_it_was_measured() -> None:
    measured, unmeasured = (
        [column.name for column in analyse(STUDIES[name]).sections[0].columns]
        for name in ("search", "one_factor")
    )
    assert measured == list(COLUMN_NAMES)
    assert "latency" not in unmeasured
    text = written("markdown", STUDIES["search"], options=ReportOptions(sort="latency"))
    assert text.index("| 1.10 |") > text.index("| 1.25 |")  # the reference stays first
    # Asked for where nobody measured it, it is there and empty.
    asked = written("markdown", STUDIES["one_factor"], options=ReportOptions(columns=("latency",)))
    assert "| `se=off`<br>`all.se=false` |  |" in asked


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("macs,score", ("macs", "score")),
        (" Score , MACs ", ("score", "macs")),
        ("variant,delta", ("delta",)),
    ],
)
def test_columns_as_they_are_written(text: str, found: tuple[str, ...]) -> None:
    assert read_columns(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parms", "unknown column 'parms'; did you mean 'params'?"),
        ("macs,accuracy", "unknown column 'accuracy'"),
        ("macs score", "unknown column 'macs score'; did you mean"),
        ("macs,,score", "'macs,,score' leaves a name out"),
        ("", "'' leaves a name out"),
        ("macs,MACs", "names 'macs' twice"),
        ("variant", "leaves nothing to show"),
    ],
)
def test_careless_columns_are_one_line(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", "--columns", text])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_flags_that_cannot_be_followed_are_not_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path)
    command = ["report", "se", "--runs", str(tmp_path)]
    assert main([*command, "--columns", "macs", "--json"]) == 2
    assert "--columns: JSON has macs anyway" in capsys.readouterr().err
    assert main([*command, "--json", "--format", "csv"]) == 2
    assert "--json: is --format json" in capsys.readouterr().err
    assert main([*command, "--format", "csv", "--svg", str(tmp_path / "x.svg")]) == 2
    assert "--svg: is a picture of the terminal" in capsys.readouterr().err
    assert main([*command, "--cost", "latency"]) == 0
    assert "No latency was measured" in capsys.readouterr().out
    for name in (str(tmp_path), "", str(tmp_path / "none" / "x")):
        assert main([*command, "--output", name]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main([*command, "--filter", "kernle"]) == 2
    assert "--filter kernle: no variant" in capsys.readouterr().err
    assert main([*command, "--columns", "macs,score"]) == 0
    assert "Seeds" not in capsys.readouterr().out.split("\n\n")[0]


def test_an_interval_is_drawn_where_it_lies() -> None:
    # 17 cells from -8 to 8: a cell is one point, zero is the ninth.
    drawn = interval_bar(Delta("a", 3, -4.0, Interval(-6.0, -2.0, 0.01)), 8.0).plain
    assert drawn == "  ━━●━━ ┆        "
    assert interval_bar(Delta("a", 1, 8.0), 8.0).plain == "        ┆       ●"
    assert interval_bar(Delta("a", 0, None), 8.0).plain == ""


def test_the_front_by_hand() -> None:
    def best(*values: tuple[float, float]) -> set[str]:
        return pareto_front({str(at): point for at, point in enumerate(values)})

    assert best((1, 10), (2, 20), (3, 15), (2, 19)) == {"0", "1"}
    assert best((1, 1), (1, 1)) == {"0", "1"}


def test_the_hypervolume_by_hand() -> None:
    searched = STUDIES["search"].search
    assert searched
    done = [trial for trial in searched.trials if trial.state == "complete"]
    # The frame is 2 ms x 40 %. The first trial costs all of it; the second dominates 1 ms x 40 %.
    assert hypervolumes(done, "latency") == [0.0, 0.5]
    assert sparkline([0.0, 0.5]) == "0.000 ▁█ 0.500"


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_written_forms_as_they_are(form: str, golden: Golden) -> None:
    ending = {"csv": "csv", "markdown": "md", "latex": "tex"}[form]
    text = written(form, STUDIES["one_factor"], STUDIES["iso"])
    if form == "csv":  # whose last digits are those of the version of scipy
        text = re.sub(r"\d+\.\d{9,}", lambda number: f"{float(number[0]):.9g}", text)
    golden(f"report.{ending}", text)


def test_csv_by_hand() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", STUDIES["iso"]))))
    assert [row["variant"] for row in rows] == ["baseline", "se=off", "baseline",
                                                "se=off (iso MACs)"]  # fmt: skip
    # 35.0, 36.2 and 35.5 have the mean 35.566..., the reference 40.5.
    assert float(rows[1]["mean"]) == pytest.approx(106.7 / 3)
    assert float(rows[1]["delta"]) == pytest.approx(106.7 / 3 - 40.5)
    assert float(rows[1]["params_change"]) == pytest.approx(LEAN[0] / BASE[0] - 1)
    assert rows[0]["low"] == ""


def test_json_says_everything() -> None:
    (table,) = json.loads(written("json", STUDIES["iso"]))
    assert table["title"] == "Squeeze-and-excitation"
    assert [len(variant["runs"]) for variant in table["variants"]] == [3, 3]
    assert table["variants"][1]["verdict"] == "worse"
    assert table["at_equal_cost"]["variants"][1]["variant"] == "se=off (iso MACs)"
    assert table["statistics"]["df"] == 2


def test_markup_and_special_characters_are_shown_as_they_are() -> None:
    odd = comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.40, 0.41),
        planned("[bold]x_y|z&50%#", "", LEAN, 0.35, 0.36),
    )
    assert "[bold]x_y|z&50%#" in shown(odd, 140).replace("\n", "")
    named = dataclasses.replace(odd, title="SE [off]", question="[/]?", recipe="a [b]")
    for said in ("SE [off]  [/]?", "recipe a [b]"):
        assert said in shown(named, 140)
    assert r"`[bold]x_y\|z&50%#`" in written("markdown", odd)
    assert r"{}[bold]x\_y\textbar{}z\&50\%\#" in unbroken(written("latex", odd))


def unbroken(tex: str) -> str:
    """The text without the places where a name may be broken."""
    return tex.replace(r"\allowbreak{}", "")


def compiled(tex: str, folder: Path, needs: Needs) -> str:
    """What pdfLaTeX says of a document, which must compile."""
    (folder / "r.tex").write_text(tex)
    command = [needs("pdflatex"), "-interaction=nonstopmode", "-halt-on-error", "r.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "r.pdf").stat().st_size > 1000
    return done.stdout


def test_latex_compiles_as_a_document_of_its_own(tmp_path: Path, needs: Needs) -> None:
    document = written("latex", *STUDIES.values(), options=ReportOptions(document=True))
    assert "Overfull" not in compiled(document, tmp_path, needs)


def test_a_latex_table_fits_an_article_that_refers_to_it(tmp_path: Path, needs: Needs) -> None:
    look = ReportOptions(caption="What SE buys: 50 % of the MACs & more.")
    table = written("latex", STUDIES["one_factor"], options=look)
    assert table.startswith(r"% needs \usepackage{booktabs,tabularx}")
    assert r"\documentclass" not in table
    assert r"\caption{What SE buys: 50 \% of the MACs \& more.}" in table
    label = re.findall(r"\\label{(.*?)}", table)[0]
    article = "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage{booktabs,tabularx}",
            r"\begin{document}",
            rf"See table~\ref{{{label}}}.",
            table,
            r"\end{document}",
        ]
    )
    assert "Overfull" not in compiled(article, tmp_path, needs)
    assert "undefined" not in compiled(article, tmp_path, needs)  # once the labels are known


def test_the_best_of_a_latex_table_is_bold() -> None:
    table = written("latex", STUDIES["one_factor"])
    # Of 40.50, 35.57 and 40.57.
    assert re.findall(r"\\textbf{(.*?)}", table) == [r"40.57 $\pm$ 0.35"]


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
