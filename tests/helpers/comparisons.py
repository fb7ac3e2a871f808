"""Studies of made records, compared and printed."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

from fuseablate.io.terminal import Screen
from fuseablate.report import Comparison, ReportOptions, analyse, of_study
from fuseablate.report.files import WRITERS
from fuseablate.report.files.plot import draw_plot
from fuseablate.report.screen import print_report
from fuseablate.runs.manifest import Manifest, PlannedVariant, Searched, Trial
from fuseablate.runs.record import Record, TestScore, pack_bits
from fuseablate.runs.store import Store
from tests.helpers.records import record

BASE = (3_284_608, 4_123_392)
LEAN = (1_306_112, 2_144_896)


def planned(
    name: str, edits: str, cost: tuple[int, int], *tops: float, **more: object
) -> tuple[PlannedVariant, list[Record]]:
    """A variant with a run for each test top-1; one below zero has no record."""
    runs, records = {}, []
    for seed, top1 in enumerate(tops):
        digest = digest_of(name, seed)
        runs[seed] = digest
        if top1 >= 0:
            right = pack_bits(at < round(1000 * top1) for at in range(1000))
            run = record(seed, top1, digest=digest, params=cost[0], macs=cost[1])
            assert run.test
            test = {**vars_of(run.test), "images": 1000, "right": right}
            records.append(with_test(run, test))
    variant = PlannedVariant(
        names=(name,), edits=tuple(edits.split()), params=cost[0], macs=cost[1], runs=runs,
        **{"levels": ({},), "recipe": "", **more},  # type: ignore[arg-type]
    )  # fmt: skip
    return variant, records


def digest_of(name: str, seed: int) -> str:
    return hashlib.sha256(f"{name}/{seed}".encode(errors="surrogatepass")).hexdigest()


def vars_of(score: object) -> dict[str, object]:
    return {name: getattr(score, name) for name in ("loss", "top1", "top5", "per_class")}


def with_test(run: Record, test: Mapping[str, object]) -> Record:
    return dataclasses.replace(run, test=TestScore(**test))  # type: ignore[arg-type]


def study(
    design: str, *made: tuple[PlannedVariant, list[Record]], **more: object
) -> tuple[Manifest, dict[str, Record]]:
    manifest = Manifest(
        name="se", title="Squeeze-and-excitation", question="What does it buy?", design=design,
        spec="fusenet", variants=tuple(variant for variant, _ in made),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return manifest, {run.digest: run for _, records in made for run in records}


def comparison(
    design: str, *made: tuple[PlannedVariant, list[Record]], **more: object
) -> Comparison:
    manifest, records = study(design, *made, **more)
    return of_study(manifest, records.get)


REFERENCE = planned("baseline", "", BASE, 0.400, 0.410, 0.405)
OFF = planned("se=off", "all.se=false", LEAN, 0.350, 0.362, 0.355)
THREE = (REFERENCE, OFF, planned("kernel=3", "fuse.kernel=3", (3_270_000, 4_010_000),
                                 0.402, 0.406, 0.409))  # fmt: skip
LEVELS = [
    {"se": se, "kernel": kernel} for se in ("baseline", "off") for kernel in ("baseline", "3")
]
NOISE = ((0, 0.009, 0.004), (0.001, 0.008, 0.004))  # of a sum
STUDIES = {
    "one_factor": comparison("one-factor", *THREE),
    "one_seed": comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.40),
        planned("se=off", "all.se=false", LEAN, 0.35),
    ),
    "no_spread": comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.100, 0.100, 0.100),
        planned("se=off", "all.se=false", LEAN, 0.100, 0.100, 0.100),
        planned("kernel=3", "fuse.kernel=3", (3_270_000, 4_010_000), 0.125, 0.125, 0.125),
    ),
    "missing": comparison(
        "one-factor",
        planned("baseline", "", BASE, 0.400, 0.410, 0.405),
        planned("se=off", "all.se=false", LEAN, 0.350, -1, 0.357),
        notes=("row 14: the edit changes nothing there",),
    ),
    "factorial": comparison(
        "factorial",
        *(
            planned(
                f"cell {at}", edits, BASE, *(base + step for step in NOISE[at % 2]),
                levels=(LEVELS[at],),
            )
            for at, (edits, base) in enumerate(
                [("", 0.40), ("fuse.kernel=3", 0.39), ("all.se=false", 0.35),
                 ("all.se=false fuse.kernel=3", 0.345)]
            )
        ),
        factors={"se": ("baseline", "off"), "kernel": ("baseline", "3")},
    ),
    "per_row": comparison(
        "per-row",
        planned("baseline", "", BASE, 0.400, 0.410, 0.405, levels=({"row": "baseline"},)),
        *(
            planned(f"row={row}", f"{row}.se=false", (3_000_000, 4_000_000),
                    *(0.400 - loss + step / 1000 for step in (0, 9, 6)), levels=({"row": row},))
            for row, loss in (("2", 0.002), ("5", 0.03), ("12", -0.004), ("13", 0.05))
        ),
    ),
    "iso": comparison(
        "one-factor",
        REFERENCE,
        OFF,
        planned("se=off (iso MACs)", "all.se=false scale.width=x1.46", (2_500_000, 4_120_000),
                0.392, 0.401, 0.395, iso_of="se=off"),
    ),
    "search": comparison(
        "search",
        planned("baseline", "", BASE, 0.400, 0.410, latency=1.25),
        planned("trial 2", "fuse.kernel=3", (3_270_000, 4_010_000), 0.430, 0.441, latency=1.1),
        search=Searched(
            sampler="nsga2",
            objectives=("accuracy", "latency"),
            seeds=1,
            trials=(
                Trial(number=0, state="complete", seeds=1, top1=30.0, params=10, macs=200,
                      latency=2.0, edits="all.se=false", finalist=False),
                Trial(number=1, state="pruned", seeds=1, top1=None, params=10, macs=200,
                      latency=1.5, edits="", finalist=False),
                Trial(number=2, state="complete", seeds=1, top1=40.0, params=10, macs=100,
                      latency=1.0, edits="fuse.kernel=3", finalist=True),
            ),
            refused={"over budget": 5, "impossible": 0, "repeated": 1},
            importance={"kernel": 0.75, "se": 0.25},
        ),
    ),
}  # fmt: skip


def shown(compared: Comparison, width: int, options: ReportOptions | None = None) -> str:
    """Return the report as a terminal of that width shows it."""
    out = Screen(width=width, record=True, file=io.StringIO(), color_system=None)
    print_report([analyse(compared, options)], out)
    return "\n".join(line.rstrip() for line in out.export_text().splitlines()) + "\n"


def written(form: str, *compared: Comparison, options: ReportOptions | None = None) -> str:
    """Return the report in a written form, as a `table` of a terminal or as a `plot`."""
    reports = [analyse(comparison, options) for comparison in compared]
    if form == "table":
        return "\n".join(shown(comparison, 140, options) for comparison in compared)
    return draw_plot(reports, ".svg").decode() if form == "plot" else WRITERS[form](reports)


def stored(root: Path) -> None:
    manifest, records = study("one-factor", *THREE)
    for digest, run in records.items():
        with Store(root).open(digest) as folder:
            folder.write("record.json", run.to_json())
    folder_ = root / "studies" / "se-01234567"
    folder_.mkdir(parents=True)
    manifest.save(folder_)
    assert Manifest.load(folder_) == manifest


def searched(*trials: Trial) -> dict[str, Searched]:
    refused = {"over budget": 5, "impossible": 0, "repeated": 1}
    return {"search": Searched(sampler="tpe", objectives=("accuracy", "macs"), seeds=3,
                               trials=trials, refused=refused, importance={})}  # fmt: skip
