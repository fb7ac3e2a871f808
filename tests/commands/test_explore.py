"""`fuseablate explore`: counts by hand on small spaces, its forms, and what it refuses.

The small table has 2,728 params and 47,168 MACs. A kernel of 5 in place of 3 costs row 2 or row 3
64 params and 1,024 MACs (two of them, 16 channels, 4 x 4 maps); SE in row 2 costs 512 of each.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from pathlib import Path

import pytest

from fuseablate.commands import explore as command
from fuseablate.commands.program import main
from fuseablate.space import census as module
from fuseablate.space.census import Census, take_census
from fuseablate.space.census_table import Bin, histogram, table_edits
from fuseablate.space.counting import draw_assignments
from fuseablate.space.parameters import FloatRange
from fuseablate.space.space import Space
from fuseablate.spec import load_spec
from fuseablate.studies.study import load_study
from tests.helpers.golden import Golden
from tests.helpers.paths import STUDY_FILES
from tests.helpers.study_file import written

SEARCH = """design = "search"
[search]
n_trials = 5
finalists = { best = 1, seeds = [9] }
"""
KERNELS = """
[[search.parameters]]
name = "kernel"
kind = "categorical"
each = "fuse"
choices = [3, 5]
edit = "{row}.kernel={}"
"""
SE = """
[[search.parameters]]
name = "se"
kind = "categorical"
choices = [true, false]
edit = "2.se={}"
"""
EXP = """
[[search.parameters]]
name = "exp"
kind = "categorical"
choices = [8, 16]
edit = "2.exp={}"
[[search.parameters]]
name = "reduction"
kind = "int"
low = 4
high = 32
step = 28
when = { se = true }
edit = "2.se_reduction={}"
"""
WIDTH = """
[[search.parameters]]
name = "width"
kind = "float"
low = 0.5
high = 2.0
log = true
edit = "3.exp=x{}"
[[search.parameters]]
name = "few"
kind = "int"
low = 2
high = 8
log = true
edit = "2.se_reduction={}"
"""
SMALL = KERNELS + SE
MACS, PARAMS = 47_168, 2_728


def space_of(folder: Path, body: str) -> Space:
    study = load_study(written(folder, SEARCH + body))
    assert study.search
    return Space.of(study.spec, study.search.parameters)


def census_of(folder: Path, body: str, samples: int = 100, few: int = 3, **most: int) -> Census:
    return take_census(
        space_of(folder, body), (16, 16), most, samples=samples, seed=0, few=few
    )  # fmt: skip


def explore(folder: Path, body: str, *words: str) -> int:
    path = written(folder, SEARCH + body)
    return main(["explore", str(folder / "small.toml"), "--space", str(path), *words])


def test_a_small_space_is_counted_whole(tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL)
    census = take_census(space, (16, 16), {"macs": MACS}, samples=100, seed=0, few=2)
    assert (census.assignments, census.seen, census.sampled) == (8, 8, False)
    assert (census.networks, len(census.costs)) == (8, 8)
    changes = sorted(costs["macs"] - MACS for costs in census.costs)
    assert changes == [-1536, -1024, -512, -512, 0, 0, 512, 1024]
    assert census.within == 6
    assert [(table.costs["macs"], table.costs["params"]) for table in census.cheapest] == [
        (MACS - 1536, PARAMS - 64 - 512), (MACS - 1024, PARAMS - 64)
    ]  # fmt: skip
    assert [table_edits(space.spec, table) for table in census.cheapest] == [
        ("3.kernel=3", "2.se=false"), ("3.kernel=3",)
    ]  # fmt: skip
    # of two that cost the same, the first in the order of the space
    assert [table_edits(space.spec, table) for table in census.largest] == [
        (), ("2.kernel=5", "3.kernel=3")
    ]  # fmt: skip


def test_both_budgets_hold(tmp_path: Path) -> None:
    # params: -64 or 0 or 64 by the kernels, and -512 without SE
    census = census_of(tmp_path, SMALL, macs=MACS, params=PARAMS - 500)
    assert census.within == 3
    assert census_of(tmp_path, SMALL, macs=1).within == 0
    assert census_of(tmp_path, SMALL).within == 8


def test_assignments_without_a_network_and_the_same_table_twice(tmp_path: Path) -> None:
    # exp 8 or 16; SE off, or with a reduction of 4 or 32: 32 squeezes the 16 channels of exp 8
    # to none, and does fit the 32 of exp 16.
    census = census_of(tmp_path, SE + EXP)
    assert (census.seen, census.networks, len(census.costs)) == (6, 5, 5)
    same = SE + SE.replace('"se"', '"again"').replace("2.se={}", "3.se={}")
    twice = same.replace("[true, false]", '["false", "true"]') + KERNELS.replace(
        'each = "fuse"\nchoices = [3, 5]\nedit = "{row}.kernel={}"',
        'choices = { a = [], b = ["3.kernel=5"], c = ["3.kernel=3"] }',
    )
    census = census_of(tmp_path, twice)
    assert (census.seen, census.networks, len(census.costs)) == (12, 12, 8)


def test_a_large_space_is_sampled(tmp_path: Path) -> None:
    census = census_of(tmp_path, SMALL, samples=7)
    assert (census.assignments, census.seen, census.sampled) == (8, 7, True)
    assert census.costs == census_of(tmp_path, SMALL, samples=7).costs
    assert census_of(tmp_path, SMALL, samples=8).sampled is False
    endless = census_of(tmp_path, WIDTH, samples=50)
    assert (endless.assignments, endless.seen, endless.sampled) == (None, 50, True)


def test_values_are_drawn_evenly_on_their_scale(tmp_path: Path) -> None:
    space = space_of(tmp_path, SMALL + WIDTH)
    every = list(draw_assignments(space, 4000, random.Random(1)))
    assert sum(params["se"] is True for params in every) == pytest.approx(2000, abs=150)
    widths = [float(params["width"]) for params in every]
    assert 0.5 <= min(widths) < 0.51 < 1.9 < max(widths) <= 2
    assert sum(width < 1 for width in widths) == pytest.approx(2000, abs=150)  # 1 is the middle
    few = [params["few"] for params in every]
    assert set(few) == set(range(2, 9))
    # 2 stands for 1.5 to 2.5 of 1.5 to 8.5
    share = math.log(2.5 / 1.5) / math.log(8.5 / 1.5)
    assert few.count(2) == pytest.approx(4000 * share, abs=150)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "seconds"), [([], 20), ([0.125], 30), ([None], 80)], ids=["none", "nine", "any"]
)
def test_a_hundred_thousand_variants_take_seconds(
    steps: list[float | None], seconds: float
) -> None:
    """`steps` are those of `scale.width`.

    Seconds of the clock. The first two are to take at most 20 on two cores that do nothing else,
    and took 9 and 17 there; what is over is headroom. One core, or a busy machine, takes longer.
    """
    search = load_study(STUDY_FILES / "search.toml").search
    assert search
    widths = [
        FloatRange(name="width", kind="float", low=0.5, high=1.5, step=step, edit="scale.width=x{}")
        for step in steps
    ]
    space = Space.of(load_spec("fusenet"), [*search.parameters, *widths])
    start = time.monotonic()
    census = take_census(space, (32, 32), {"macs": 4_123_392}, samples=100_000, seed=0, few=3)
    assert time.monotonic() - start < seconds
    assert census.networks > 90_000


def test_ctrl_c_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_EVERY", 1)
    calls = []

    def tell(census: Census) -> None:
        calls.append(census.seen)
        if len(calls) == 3:
            raise KeyboardInterrupt

    space = space_of(tmp_path, SMALL)
    taken = take_census(space, (16, 16), {}, samples=100, seed=0, few=3, tell=tell)
    assert taken.interruption
    assert (taken.seen, taken.planned, len(taken.costs)) == (3, 8, 2)
    assert len(taken.cheapest) == 2


def test_bins_meet_at_the_budget() -> None:
    # 12 bins over 0 to 24 are 2 wide; the budget of 9 is an edge, and belongs to what is within
    bins = histogram([0, 8, 9, 10, 24], 9)
    assert [part.low for part in bins[:2]] == [-1, 1]
    assert Bin(7, 9, 2) in bins
    assert Bin(9, 11, 1) in bins
    assert sum(part.count for part in bins) == 5
    assert histogram([5, 5], None) == histogram([5, 5], 5)
    assert sum(part.count for part in histogram([5, 5], 5)) == 2
    bins = histogram([0, 12], None)
    assert (len(bins), bins[0], bins[-1]) == (12, Bin(0, 1, 1), Bin(11, 12, 1))


@pytest.mark.parametrize("width", [80, 140])
def test_golden(
    width: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    golden: Golden,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert explore(tmp_path, SMALL, "--budget", "macs=baseline", "--budget", "params=2.7k") == 0
    out, err = capsys.readouterr()
    assert err == ""
    golden(f"explore-{width}.txt", out.replace(str(tmp_path), "DIR"))


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explore(tmp_path, SMALL, "--budget", "macs=47168", "--top", "1", "--json") == 0
    table = json.loads(capsys.readouterr().out)
    assert (table["assignments"], table["seen"], table["seed"]) == (8, 8, None)
    assert (table["networks"], table["distinct"], table["within"]) == (8, 8, 6)
    assert (table["input"], table["classes"], table["budget"]) == (16, 4, {"macs": MACS})
    assert table["baseline"] == {"params": PARAMS, "macs": MACS}
    assert (table["macs"]["min"], table["macs"]["max"]) == (MACS - 1536, MACS + 1024)
    assert table["macs"]["median"] == MACS - 256
    assert table["cheapest"] == [
        {"edits": ["3.kernel=3", "2.se=false"], "params": PARAMS - 576, "macs": MACS - 1536}
    ]
    assert table["largest"] == [{"edits": [], "params": PARAMS, "macs": MACS}]
    assert explore(tmp_path, SMALL, "--samples", "5", "--seed", "3", "--json") == 0
    table = json.loads(capsys.readouterr().out)
    assert (table["sampled"], table["seed"], table["seen"]) == (True, 3, 5)


def test_the_budget_of_the_study_counts_where_none_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, SEARCH + 'budget = { params = "baseline" }\n' + SMALL)
    words = ["explore", str(tmp_path / "small.toml"), "--space", str(path), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["budget"] == {"params": PARAMS}
    assert main([*words, "--budget", "macs=1k"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert (table["budget"], table["within"], table["cheapest"]) == ({"macs": 1000}, 0, [])


def test_progress_without_a_terminal_is_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explore(tmp_path, SMALL) == 0
    assert capsys.readouterr().err == ""  # it is over in no time
    monkeypatch.setattr(module, "TELL_EVERY", 3)
    monkeypatch.setattr(command, "LINE_EVERY", 0)
    assert explore(tmp_path, SMALL) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["3 of 8", "6 of 8"]
    assert all(re.search(r", [0-9,]+ a second, [0-9hms]+ left$", line) for line in lines)


@pytest.mark.parametrize(
    ("budget", "drawn"),
    [
        ((), ["MACs of the distinct tables, median 46.9k"]),
        (
            ("--budget", "params=9k"),
            ["MACs of the distinct tables, median 46.9k", "params of the distinct tables, "],
        ),
        (
            ("--budget", "traffic=1M", "--budget", "inference_memory=1M"),
            [
                "MACs of the distinct tables, median 46.9k",
                "traffic (MB) of the distinct tables, median 0.",
                "inference memory (MB) of the distinct tables, median 0.",
            ],
        ),
    ],
)
def test_the_spread_of_macs_is_drawn_and_of_what_the_budget_limits(
    budget: tuple[str, ...], drawn: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The middle two of the eight have the MACs of the table, 47,168, and 512 less."""
    assert explore(tmp_path, SMALL, *budget) == 0
    out = capsys.readouterr().out
    assert ("traffic 1.00 MB and inference memory 1.00 MB" in out) == (len(drawn) == 3)
    lines = [line for line in out.splitlines() if "of the distinct" in line]
    assert len(lines) == len(drawn)
    assert all(line.startswith(said) for line, said in zip(lines, drawn, strict=True))


def test_nothing_within_the_budget_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explore(tmp_path, SMALL, "--budget", "macs=1k") == 0
    out = capsys.readouterr().out
    assert "Within budget    0 (0.0%): 1,000 MACs" in out
    assert "Nothing is within the budget; the fewest MACs are 45,632, with 2,152 params" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "macs=4.2X"], "macs=4.2X: must be a whole number"),
        (["--budget", "params=0"], "params=0: must be at least 1"),
        (["--budget", "mac=3"], "did you mean 'macs'"),
        (["--budget", "macs"], "'macs' is not of the form COST=N, such as macs=4.2M"),
        (
            ["--budget", "macs=3k", "--budget", "params=1", "--budget", "macs=baseline"],
            "--budget: macs=3000 and macs=baseline: give one of them",
        ),
        (["--samples", "0"], "'0' is not a whole number of at least 1"),
        (["--input", "x"], "'x' is not a size"),
    ],
)
def test_bad_flags_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = explore(tmp_path, SMALL, *words)
    except SystemExit as end:  # argparse leaves by itself
        code = end.code
    assert code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_bad_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(body: str, spec: str = "small.toml") -> str:
        path = written(tmp_path, body)
        place = spec if spec == "fusnet" else str(tmp_path / spec)
        assert main(["explore", place, "--space", str(path)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        return str(err)

    fixed = 'design = "per-row"\nrows = "fuse"\nedit = "se=false"\n'
    assert refusal(fixed).endswith(
        'mine.toml: design = "per-row": has no [search] table, whose parameters make a space; '
        'use a study of design = "search", such as studies/search.toml\n'
    )
    bad = refusal(SEARCH + KERNELS.replace("[3, 5]", "[3, 4]"))
    assert "mine.toml: parameter 'kernel.3': edit '3.kernel=4': row 3: kernel 4 is even" in bad
    assert "did you mean 'fusenet'" in refusal(SEARCH + SMALL, "fusnet")
