"""`fuseablate profile`: rows timed beside the machine's limits."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest

from fuseablate import load_spec
from fuseablate.commands.program import main
from fuseablate.cost import Processor, Profile, TimedRow, cost_kind
from fuseablate.io.terminal import console
from fuseablate.show import draw_roofline, print_profile

MACHINE = Processor(kind="processor", gmacs=10, gigabytes=1)


def test_a_rows_share_of_the_limit_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    spec = load_spec("fusenet")
    row = spec.infer((32, 32))[14]  # 576 to 1024 channels on 1x1, and its H-Swish
    timed = TimedRow(row, images=2, forward=0.004, backward=0.008)
    assert (timed.macs, timed.seconds) == (2 * 576 * 1024, 0.012)
    conv, act = 4 * (2 * (576 + 1024) + 576 * 1024), 4 * 2 * 2 * 1024
    assert timed.bytes == conv + act
    # 2.4 MB at 1 GB/s take longer than 1.2 M MACs at 10 a nanosecond.
    assert timed.share(MACHINE) == pytest.approx((conv + act) / 1e9 / 0.004)
    few = Profile([timed], MACHINE)
    print_profile(spec, (32, 32), few, console())
    out = capsys.readouterr().out
    printed = [line.split() for line in out.splitlines()]
    # 1.18 M MACs in 4 ms are 0.3 thousand millions a second; 2.39 ms of 4 are the bytes'.
    line = ["1.18M", "2.39", "4.000", "8.000", "100.0%", "0.3", "60%"]
    assert [words[2:] for words in printed if words[:1] == ["15"]] == [line]
    assert "\nRow 15 takes 100% of the time, at 60% of the limit.\n" in out
    assert draw_roofline(spec, few, ".svg").count(b"<text") > 5
    assert draw_roofline(spec, few, ".png").startswith(b"\x89PNG")
    free = TimedRow(spec.infer((32, 32))[13], images=2, forward=0.001, backward=0.001)  # a pool
    assert b"GMAC/s" in draw_roofline(spec, Profile([free], MACHINE), ".svg")


def test_a_profile_and_what_it_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, plot, hardware = (tmp_path / name for name in ("t.json", "p.svg", "mine.toml"))
    words = ["profile", "fusenet", "--input", "32", "--batch", "2", "--turns", "1"]
    files = ["--trace", str(trace), "--plot", str(plot), "--hardware", str(hardware)]
    assert main([*words, "--device", "cpu", *files, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    rows = load_spec("fusenet").infer((32, 32))
    assert [row["row"] for row in table["rows"]] == [row.row.id for row in rows]
    assert [row["macs"] for row in table["rows"]] == [2 * row.cost.macs for row in rows]
    assert all(row["forward_ms"] > 0 for row in table["rows"] if row["bytes"])
    events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    assert any("convolution" in event.get("name", "") for event in events)
    assert "MACs for each byte" in plot.read_text("utf-8")
    kind = cost_kind(f"roofline@{hardware}")
    assert kind.chosen.gmacs == table["machine"]["gmacs"] > 0
    assert kind.total(rows) > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plot", "a.pdf"], "--plot a.pdf: must end in .png or .svg"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--batch", "1"], "whole number of at least 2"),
    ],
)
def test_slips_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(SystemExit):  # argparse's own
        assert main(["profile", "fusenet", *words]) == 2
    assert said in capsys.readouterr().err
