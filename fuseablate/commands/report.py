"""`fuseablate report`: what has been trained, compared, in many forms."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuseablate.commands.arguments import add_runs, argument, run_store
from fuseablate.cost import COSTS, cost_kind
from fuseablate.errors import InputError, unknown
from fuseablate.io.escaping import plain
from fuseablate.io.reading import holders
from fuseablate.io.terminal import Screen, console
from fuseablate.report import (
    COLUMN_NAMES,
    METRICS,
    SORTS,
    AnalysedComparison,
    Comparison,
    ReportOptions,
    analyse,
    column_named,
    of_records,
    of_study,
    read_columns,
)
from fuseablate.report.files import WRITERS
from fuseablate.runs import (
    MANIFEST,
    Manifest,
    Record,
    Store,
    ZeroCostScores,
    alike,
    check_output,
    record_named,
    select_runs,
    write_output,
)

PICTURE_WIDTH = 132  # columns
FORMATS = ("table", *WRITERS)
KINDS = (".png", ".svg", ".pdf")
ELSE = "train one with 'fuseablate quickstart', or name another store with --runs"


def add(commands: Any) -> None:
    parser = commands.add_parser("report", help="compare what has been trained")
    parser.add_argument(
        "what",
        nargs="*",
        metavar="STUDY|RUN",
        help="studies by name, or runs by the first digits of their folders (default: all runs)",
    )
    add_runs(parser)
    parser.add_argument("--metric", default="test_top1", choices=METRICS, help="what is compared")
    parser.add_argument(
        "--sort",
        type=argument(sort_named),
        metavar="COLUMN",
        help="order of the variants: name, a column that has an order, or a cost; the reference "
        "stays first (default: that of the study)",
    )
    parser.add_argument(
        "--filter", default="", metavar="TEXT", help="only variants whose edits or name contain it"
    )
    parser.add_argument(
        "--cost",
        type=argument(lambda text: cost_kind(text).name),
        default="macs",
        metavar="COST",
        help=f"axis of the plot: {', '.join(COSTS.shipped)} (default: macs)",
    )
    parser.add_argument(
        "--columns",
        type=argument(read_columns),
        default=(),
        metavar="NAMES",
        help=f"columns of the table after the variant's, in this order, separated by commas: "
        f"{', '.join(COLUMN_NAMES)} (default: those that have something to say), and any other "
        f"cost: {', '.join(name for name in COSTS.shipped if name not in COLUMN_NAMES)}; seeds "
        "join them where some are missing",
    )
    parser.add_argument(
        "--matters",
        type=argument(points),
        metavar="POINTS",
        help="the smallest difference that matters (default: the study's, or 1.0)",
    )
    parser.add_argument(
        "--interval",
        default="seeds",
        choices=("seeds", "both"),
        help="what intervals cover: the error of the seeds, for networks on these test images; or "
        "both, that of the test images too, for other images of their kind (default: seeds)",
    )
    parser.add_argument("--all-runs", action="store_true", help="list each run, however many")
    parser.add_argument("--format", default="table", choices=FORMATS, help="(default: table)")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument(
        "--caption", default="", metavar="TEXT", help="of LaTeX's tables (default: what was found)"
    )
    parser.add_argument(
        "--document", action="store_true", help="LaTeX as a whole document, not a table for one"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw accuracy against --cost for a paper: FILE.png, .svg or .pdf",
    )
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="also write it as a picture of the terminal"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the report; a store that holds nothing is an `InputError`."""
    store = run_store(args.runs)
    form = form_of(args)
    options = ReportOptions(
        metric=args.metric,
        interval=args.interval,
        matters=args.matters,
        sort=args.sort,
        filter=args.filter,
        cost=args.cost,
        columns=args.columns,
        all_runs=args.all_runs,
        caption=args.caption,
        document=args.document,
    )
    comparisons = comparisons_of(store, args.what)
    variants = [variant for comparison in comparisons for variant in comparison.variants]
    if not any(map(options.matches, variants)):
        raise InputError(f"--filter {args.filter}: no variant here has that in its name or edits")
    reports = [analyse(comparison, options) for comparison in comparisons]
    if args.plot:
        from fuseablate.report.files.plot import draw_plot

        write_output(args.plot, "--plot", draw_plot(reports, args.plot.suffix))
    if form == "table":
        print_table(reports, store, args)
    elif args.output:
        write_output(args.output, "--output", WRITERS[form](reports))
    else:
        print(WRITERS[form](reports), end="")
    return 0


def print_table(
    reports: Sequence[AnalysedComparison], store: Store, args: argparse.Namespace
) -> None:
    """Print the report, and write it as text or as a picture where that was asked for."""
    from fuseablate.report.screen import print_report

    print_report(reports, console())
    if not args.what and (studies := [folder.name for folder in manifests(store)]):
        print(
            plain("Studies here, each compared by 'fuseablate report NAME': " + ", ".join(studies))
        )
    screen = Screen(record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True)
    if args.svg or args.output:
        print_report(reports, screen)
    if args.svg:
        title = " ".join(("fuseablate report", *args.what))
        write_output(args.svg, "--svg", screen.export_svg(title=plain(title), clear=False))
    if args.output:
        lines = map(str.rstrip, screen.export_text().split("\n"))
        write_output(args.output, "--output", "\n".join(lines))


def sort_named(text: str) -> str:
    """Return what variants can be sorted by: `name`, an ordered column, a cost."""
    if text not in SORTS and (text in COLUMN_NAMES or text.partition("@")[0] not in COSTS):
        raise unknown("order", text, SORTS)
    return text if text in SORTS else column_named(text).name


def points(text: str) -> float:
    """Return the points of top-1 that a text writes, more than 0 and at most 100."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:  # and no NaN
        raise InputError(f"'{text}' must be points of top-1, more than 0 and at most 100")
    return value


def form_of(args: argparse.Namespace) -> str:
    """Return the format; an `InputError` names a flag that cannot be followed in it."""
    form: str = "json" if args.json else args.format
    if args.format not in (form, "table"):
        raise InputError(
            f"--json: is --format json, and cannot be combined with --format {args.format}"
        )
    for name in ("caption", "document"):
        if getattr(args, name) and form != "latex":
            raise InputError(f"--{name}: is for --format latex, and the format is {form}")
    if form == "html" and not args.output:
        raise InputError("--format html: a page is written to a file; name it with --output FILE")
    if form == "json" and (named := [name for name in args.columns if name in COLUMN_NAMES]):
        raise InputError(
            f"--columns: JSON has {', '.join(named)} anyway; name costs beyond them, or choose "
            "another --format"
        )
    if args.interval == "both" and args.metric != "test_top1":
        raise InputError(
            f"--interval both: needs the result of each image, which records hold of test_top1; "
            f"it cannot be combined with --metric {args.metric}"
        )
    if args.svg and form != "table":
        raise InputError(
            f"--svg: is a picture of the terminal, and cannot be combined with --format {form}"
        )
    for name, endings in (("plot", KINDS), ("svg", ()), ("output", ())):
        if path := getattr(args, name):
            check_output(path, f"--{name}", *endings)
    return form


def comparisons_of(store: Store, names: Sequence[str]) -> list[Comparison]:
    """Return the studies and runs of those names; all runs of the store where there is none."""
    folders = manifests(store)
    if not names:
        if records := store.records():
            return all_comparisons(records, folders)
        planned = ", ".join(folder.name for folder in folders)
        hint = f"'fuseablate report NAME' shows what a study plans: {planned}" if planned else ELSE
        raise InputError(f"{store.root}: holds no finished run; {hint}")
    studies: dict[Path, Comparison] = {}  # each once, however often it is named
    runs: dict[str, Record] = {}
    for name in names:
        if of_name := select_runs(store, [name]).studies:
            studies[of_name[0]] = of_study(
                Manifest.load(of_name[0]), store.readable, ZeroCostScores.load(of_name[0])
            )
        else:
            run = record_named(store, name)
            runs[run.digest] = run
    ambiguous = alike(study.title for study in studies.values())
    titled = [
        replace(study, title=f"{study.title} ({folder.name})")
        if study.title in ambiguous
        else study
        for folder, study in studies.items()
    ]
    return [*titled, *of_records(list(runs.values()))]


def all_comparisons(records: Sequence[Record], folders: Sequence[Path]) -> list[Comparison]:
    """Return the records in comparable groups, and what some studies compare.

    Those with tuned variants, whose recipes would part them, and those with planned looks, or with
    seeds changed after results were seen, which no record tells and a verdict must say. A group
    that holds nothing but such runs is left out.
    """
    by_digest = {record.digest: record for record in records}
    studies, of_studies = [], set()
    for folder in folders:
        with suppress(InputError):  # said where the study is asked for by its name
            manifest = Manifest.load(folder)
            looked = manifest.planned_seeds.looks or manifest.seen
            digests = {
                digest
                for variant in manifest.variants
                if variant.tuned or looked
                for digest in variant.runs.values()
            }
            if digests & by_digest.keys():
                studies.append(of_study(manifest, by_digest.get))
                of_studies |= digests
    groups = [
        group
        for group in of_records(records)
        if not all(run.digest in of_studies for _, run in group.runs)
    ]
    return [*studies, *groups]


def manifests(store: Store) -> list[Path]:
    """Return the folders of the studies that can be reported, the one changed last first."""
    return holders(store.root / "studies", MANIFEST)
