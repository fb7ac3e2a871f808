"""`fuseablate report`: what has been trained, compared, in many forms."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fuseablate.commands.arguments import add_runs, argument, run_store
from fuseablate.cost import COSTS, cost_kind
from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.io.terminal import console
from fuseablate.report import (
    COLUMN_NAMES,
    METRICS,
    Report,
    ReportOptions,
    compare,
    read_columns,
    read_sort,
)
from fuseablate.report.files import WRITERS
from fuseablate.report.report import ENDINGS, PICTURES, file_screen
from fuseablate.report.screen import print_report
from fuseablate.report.stored import comparisons_of, manifests
from fuseablate.runs import check_output, write_output

FORMATS = ("table", *WRITERS)


def add(commands: Any) -> None:
    parser = commands.add_parser("report", help="compare what has been trained")
    parser.add_argument(
        "what",
        nargs="*",
        metavar="STUDY|RUN",
        help="studies by name, or runs by the first digits of their folders (default: all runs)",
    )
    add_runs(parser)
    parser.add_argument(
        "--from",
        dest="given",
        type=Path,
        metavar="FILE.csv",
        help="compare runs that were trained elsewhere: a line for each, with the columns variant, "
        "seed, score (in percent) and any costs",
    )
    parser.add_argument(
        "--reference",
        metavar="NAME",
        help="with --from, the variant that the others are compared with (default: the one called "
        "baseline, or else the first)",
    )
    parser.add_argument(
        "--predicted-by",
        action="append",
        default=[],
        metavar="STUDY",
        help="also say how well the validation accuracies of another study of these networks, such "
        "as a shorter one, rank them; may be given several times",
    )
    parser.add_argument("--metric", choices=METRICS, help="what is compared (default: test_top1)")
    parser.add_argument(
        "--sort",
        type=argument(read_sort),
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
        type=argument(margin),
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
    parser.add_argument(
        "--format", choices=FORMATS, help="of what is printed (default: table), or of --output"
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument(
        "--caption", default="", metavar="TEXT", help="of LaTeX's tables (default: what was found)"
    )
    parser.add_argument(
        "--document", action="store_true", help="LaTeX as a whole document, not a table for one"
    )
    parser.add_argument(
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"write it there, in the form that the name ends in: {', '.join(ENDINGS)}; may be "
        "given several times",
    )
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
    form, files = forms_of(args)
    options = ReportOptions(
        metric=args.metric or "test_top1",
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
    if args.given:
        report = compare(args.given, reference=args.reference, options=options)
    else:
        report = Report.of(
            comparisons_of(run_store(args.runs), args.what, args.predicted_by), options
        )
    variants = [variant for analysed in report for variant in analysed.comparison.variants]
    if not any(map(options.matches, variants)):
        raise InputError(f"--filter {args.filter}: no variant here has that in its name or edits")
    if args.plot:
        from fuseablate.report.files.plot import draw_plot

        write_output(args.plot, "--plot", draw_plot(report, args.plot.suffix))
    if form == "table":
        show_report(report, args)
    elif not files:
        print(report.text(form), end="")
    for path, own in files.items():
        write_output(path, "--output", report.text(own))
    return 0


def show_report(report: Report, args: argparse.Namespace) -> None:
    """Print the report, and write it as a picture where that was asked for."""
    print_report(report, console())
    studies = [] if args.what or args.given else manifests(run_store(args.runs))
    if studies:
        print(
            plain(
                "Studies here, each compared by 'fuseablate report NAME': "
                + ", ".join(folder.name for folder in studies)
            )
        )
    if args.svg:
        title = plain(" ".join(("fuseablate report", *args.what)))
        write_output(args.svg, "--svg", file_screen(report).export_svg(title=title))


def margin(text: str) -> float:
    """Return the points of top-1 that a text writes, more than 0 and at most 100."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:  # and no NaN
        raise InputError(f"'{text}' must be points of top-1, more than 0 and at most 100")
    return value


def forms_of(args: argparse.Namespace) -> tuple[str, dict[Path, str]]:
    """Return the form that is asked for, and the files with theirs.

    An `InputError` names a flag that cannot be followed.
    """
    chosen: str | None = "json" if args.json else args.format
    if args.json and args.format not in (None, "json"):
        raise InputError(
            f"--json: is --format json, and cannot be combined with --format {args.format}"
        )
    files = {path: _form_of(path, chosen) for path in args.output}
    form = chosen or "table"
    _check_flags(
        args, form, {*files.values()} | ({form} if form == "table" or not files else set())
    )
    if args.given:
        check_given(args)
    elif args.reference is not None:
        raise InputError("--reference: is a variant of --from; studies and runs have their own")
    if args.interval == "both" and args.metric not in (None, "test_top1"):
        raise InputError(
            f"--interval both: needs the result of each image, which records hold of test_top1; "
            f"it cannot be combined with --metric {args.metric}"
        )
    for name, endings in (("plot", PICTURES), ("svg", ())):
        if path := getattr(args, name):
            check_output(path, f"--{name}", *endings)
    return form, files


def _form_of(path: Path, chosen: str | None) -> str:
    """Return the form of a file: that of its ending, and else the chosen one."""
    check_output(path, "--output")
    if path.suffix in PICTURES:
        raise InputError(
            f"--output {path}: is a picture; --plot draws accuracy against cost, and --svg the "
            "terminal"
        )
    own = ENDINGS.get(path.suffix, "table")
    if own == "table":  # .txt may be any text
        return chosen or own
    if chosen not in (None, own):
        raise InputError(
            f"--output {path}: is {own} by its ending, and cannot be combined with --format "
            f"{chosen}; leave that out"
        )
    return own


def _check_flags(args: argparse.Namespace, form: str, forms: set[str]) -> None:
    """Raise an `InputError` for a flag that none of the forms, printed or written, can follow."""
    for name in ("caption", "document"):
        if getattr(args, name) and "latex" not in forms:
            raise InputError(f"--{name}: is for LaTeX; add --format latex or --output FILE.tex")
    if form == "html" and not args.output:
        raise InputError("--format html: a page is written to a file; name it with --output FILE")
    if forms == {"json"} and (named := [name for name in args.columns if name in COLUMN_NAMES]):
        raise InputError(
            f"--columns: JSON has {', '.join(named)} anyway; name costs beyond them, or choose "
            "another --format"
        )
    if args.svg and form != "table":
        raise InputError(
            f"--svg: is a picture of the terminal, and cannot be combined with --format {form}"
        )


def check_given(args: argparse.Namespace) -> None:
    """Raise an `InputError` for a flag that means nothing beside `--from`."""
    if args.what:
        raise InputError(
            f"--from: compares the runs of a file, and not of {args.what[0]}; ask for each alone"
        )
    for flag in ("runs", "metric", "predicted-by"):
        if getattr(args, flag.replace("-", "_")):
            raise InputError(f"--{flag}: is for runs of a store; the file of --from has a score")
    if args.interval == "both":
        raise InputError("--interval both: needs the result of each image, which --from has not")
