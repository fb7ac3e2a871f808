"""`report --interval both`: intervals that hold for other test images too, in every form."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from scipy.stats import norm

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.report import ReportOptions, analyse, compare
from fuseablate.report.analysis import AnalysedComparison
from fuseablate.report.files import WRITERS
from tests.helpers.comparisons import STUDIES, shown, stored, written

OPTIONS = {interval: ReportOptions(interval=interval) for interval in ("seeds", "both")}
SEEDS, BOTH = (analyse(STUDIES["iso"], options) for options in OPTIONS.values())


def half(report: AnalysedComparison) -> float:
    """Half the width of the interval of the first variant's difference."""
    delta = report.sections[0].variants[1].delta
    assert delta
    assert delta.interval
    return (delta.interval.high - delta.interval.low) / 2


def test_it_reaches_as_far_as_both_together() -> None:
    delta = SEEDS.sections[0].variants[1].delta
    assert delta
    assert delta.image_se is not None
    # One comparison: the images' part is the normal's at 5 %.
    assert half(BOTH) == pytest.approx(
        math.hypot(half(SEEDS), float(norm.ppf(0.975)) * delta.image_se)
    )
    assert half(BOTH) > 1.5 * half(SEEDS)


@pytest.mark.parametrize("form", [*WRITERS, "table"])
def test_every_form_says_which_it_is(form: str) -> None:
    alone, both = (
        shown(STUDIES["iso"], 300, options)
        if form == "table"
        else written(form, STUDIES["iso"], options=options)
        for options in OPTIONS.values()
    )
    if form == "csv":
        rows = [list(csv.DictReader(io.StringIO(text))) for text in (alone, both)]
        assert [row[1]["interval"] for row in rows] == ["seeds", "both"]
        low, high = (float(rows[1][1][end]) for end in ("low", "high"))
        assert (high - low) / 2 == pytest.approx(half(BOTH))
        assert rows[1][1]["p"] == ""
        assert float(rows[1][1]["image_error"]) > float(rows[1][1]["seed_error"]) > 0
    elif form == "json":
        tables = [json.loads(text)[0]["statistics"]["interval"] for text in (alone, both)]
        assert tables == ["seeds", "both"]
    else:
        option = "-{}-interval both" if form == "latex" else "--interval both"
        assert f"the intervals leave that out ({option})" in alone
        assert "Each interval holds the error of the test images as well." in both
        assert "the intervals cover both" in both


def test_plots_draw_it() -> None:
    _, row, _ = BOTH.plotted
    assert row.span
    low, high = row.span
    assert (high - low) / 2 == pytest.approx(half(BOTH))


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path)
    ask = ["report", "se", "--runs", str(tmp_path), "--interval", "both"]
    assert main(ask) == 0
    assert "the intervals cover both" in " ".join(capsys.readouterr().out.split())
    assert main([*ask, "--metric", "val_top1"]) == 2
    error = capsys.readouterr().err
    assert error.endswith(
        "--interval both: needs the result of each image, which records hold of test_top1; it "
        "cannot be combined with --metric val_top1\n"
    )
    assert error.count("\n") == 1


def test_what_has_no_result_of_each_image_is_refused() -> None:
    with pytest.raises(InputError, match=r'interval = "both": needs .* and not of val_top1'):
        ReportOptions(interval="both", metric="val_top1")
    rows = [
        {"variant": name, "seed": seed, "score": score + seed}
        for name, score in (("baseline", 70), ("on", 72))
        for seed in range(3)
    ]
    with pytest.raises(InputError, match=r'interval = "both": needs .* trained elsewhere'):
        compare(rows, options=OPTIONS["both"])
