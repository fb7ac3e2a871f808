"""`fuseablate study`: run an ablation, watch it, list and remove studies."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live

from fuseablate.commands.arguments import add_quiet, add_runs, confirmed, run_store, whole_number
from fuseablate.commands.completion import complete_names
from fuseablate.errors import InputError
from fuseablate.io.escaping import masked, plain
from fuseablate.io.lock import is_held
from fuseablate.io.reading import holders
from fuseablate.io.terminal import bare_table, console, duration
from fuseablate.runs import JOURNAL, STATUS, Store, StudyStatus, held, listed_studies

if TYPE_CHECKING:
    from fuseablate.studies import Study

ENGINE = "local"
_NOT_TOLD = ("stamp", "ended")  # of a listed study: what the index is for, and what `state` says


def add(commands: Any) -> None:
    study = commands.add_parser("study", help="run, watch, list and remove ablation studies")
    actions = study.add_subparsers(dest="action", metavar="ACTION", required=True)

    run = actions.add_parser("run", help="run a study, or go on with it")
    file = run.add_argument(
        "file", type=Path, metavar="STUDY", help="its .toml, or the name of a study that is shipped"
    )
    complete_names(file, "studies")
    run.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    run.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="instead of the study's recipe's: a study of its own, NAME-Nep",
    )
    run.add_argument("--dry-run", action="store_true", help="print the plan and train nothing")
    run.add_argument(
        "--workers", type=whole_number(1), metavar="W", help="worker processes on the CPU"
    )
    run.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="CPU threads of a run, which its result depends on (default: the study's, or 1)",
    )
    run.add_argument("--gpus", metavar="0,1", help="the GPUs to use (default: all)")
    run.add_argument("--per-gpu", type=whole_number(1), metavar="K", help="runs that share one GPU")
    run.add_argument(
        "--stack",
        default="auto",
        metavar="N|auto|off",
        help="how many runs of a network to train as one (default: auto, as many as the memory of "
        "a GPU holds; none on CPUs)",
    )
    run.add_argument(
        "--retries",
        type=whole_number(0),
        default=2,
        metavar="N",
        help="tries without a new checkpoint that a run is given (default: 2)",
    )
    run.add_argument(
        "--engine", default=ENGINE, metavar="NAME", help=f"what trains the runs (default: {ENGINE})"
    )
    run.add_argument(
        "--address", metavar="HOST:PORT", help="of a Ray cluster (default: one on this machine)"
    )
    run.add_argument(
        "--checkpoint-seconds",
        type=whole_number(0),
        metavar="S",
        help="at least so long between two checkpoints that a run sends from a cluster "
        "(default: 30)",
    )
    run.add_argument(
        "--shared-runs",
        action="store_true",
        help="all machines of the cluster reach the run store by the same path",
    )
    run.add_argument("--storage", metavar="URL", help="an Optuna storage (default: a journal file)")
    run.add_argument("--wandb", metavar="MODE", help="online, offline or off")
    add_quiet(run)
    run.set_defaults(run=start_study)

    status = actions.add_parser("status", help="show a study, live while it runs")
    status.add_argument("name", nargs="?", help="the study (default: the newest)")
    status.add_argument("--json", action="store_true", help="print a JSON object, once")
    status.set_defaults(run=show_status)

    listing = actions.add_parser("list", help="list the studies of a run store")
    listing.add_argument("--json", action="store_true", help="print a JSON list")
    listing.set_defaults(run=list_studies)

    remove = actions.add_parser("rm", help="remove a study; its runs stay in the store")
    remove.add_argument("name")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=remove_study)
    for parser in (run, status, listing, remove):
        add_runs(parser)


def start_study(args: argparse.Namespace) -> int:
    """Run a study to its end and print its report; 1 where a run has no result."""
    from fuseablate.engines import ENGINES, Asked, gpu_numbers
    from fuseablate.studies import load_study
    from fuseablate.tracking import resolve_mode

    study = load_study(args.file)
    if args.epochs:
        try:
            study = study.with_epochs(args.epochs)
        except InputError as error:
            raise error.within(f"--epochs {args.epochs}") from None
    try:
        engine = ENGINES.named(args.engine)
    except InputError as error:
        raise error.within("--engine") from None
    asked: dict[str, Any] = {
        "workers": args.workers,
        "gpus": gpu_numbers(args.gpus) if args.gpus else None,
        "per_gpu": args.per_gpu,
        "threads": args.threads or study.threads,
        "address": args.address,
        "checkpoint_seconds": args.checkpoint_seconds,
        "shared_runs": args.shared_runs,
        "stack": stacked_runs(args.stack),
    }
    tracking, line = resolve_mode(args.wandb)
    store = run_store(args.runs)
    if args.dry_run:
        from fuseablate.studies.running import plan_study, print_study_plan

        count = engine.choose(Asked(**asked)).count
        planned = plan_study(study, store=store, data_root=args.data_root, workers=count)
        print_study_plan(planned, console())
        return 0
    if line:
        print(plain(line))
    return run_to_report(
        study,
        quiet=args.quiet,
        store=store,
        data_root=args.data_root,
        engine=args.engine,
        storage=args.storage,
        tracking=tracking,
        retries=args.retries,
        **asked,
    )


def stacked_runs(text: str) -> int | None:
    """Return the number of runs that `--stack` names; None for `auto`."""
    if text == "auto":
        return None
    if text == "off":
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--stack {text}: must be auto, off or a number of runs from 1 on")
    return int(text)


def run_to_report(
    study: Study, *, quiet: bool = False, storage: str | None = None, **options: Any
) -> int:
    """Run a study and print its report; 1 where a run has no result.

    `options` are more of the library's `run_study`.
    """
    from fuseablate.report.screen import print_report
    from fuseablate.studies.running import run_study
    from fuseablate.studies.screens.live import suited_view

    out = console()
    with suited_view(out, quiet=quiet) as view:
        result = run_study(study, storage=storage, progress=view, **options)
    print_report(result.report, out)
    trials = masked(storage) if storage else result.folder / JOURNAL
    out.print(f"Folder: {result.folder}; Optuna: optuna-dashboard {trials}", style="dim")
    return 0 if result.complete else 1


def started_studies(store: Store) -> list[Path]:
    """Return the folders of the store's studies, the one changed last first."""
    return holders(store.root / "studies", STATUS)


def find_study(store: Store, name: str | None) -> Path:
    """Return the folder of that name, or the newest study of that name without the digest."""
    folders = started_studies(store)
    for folder in folders:
        if name in (None, folder.name, folder.name.rpartition("-")[0]):
            return folder
    if not folders:
        raise InputError(f"{store.root}: holds no study")
    known = ", ".join(folder.name for folder in folders)
    raise InputError(f"study '{name}': not in {store.root} (studies: {known})")


def show_status(args: argparse.Namespace) -> int:
    """Show a study once, or, on a terminal, as long as it runs."""
    from fuseablate.studies.screens.live import status_table

    folder = find_study(run_store(args.runs), args.name)
    out = console()
    status = StudyStatus.load(folder)
    if args.json:
        state = {"folder": str(folder), "state": _state(folder, status.ended)}
        left = {"seconds_left": None if status.ended else status.eta()}
        told = {name: value for name, value in vars(status).items() if name != "lines"}
        runs = {"runs": [vars(run) for run in status.lines]}
        print(json.dumps({**state, **told, **left, **runs}, indent=2))
        return 0
    if out.is_terminal and is_held(folder):
        with Live(status_table(status), console=out, refresh_per_second=4) as live:
            while is_held(folder):
                time.sleep(0.5)
                status = StudyStatus.load(folder)
                live.update(status_table(status))
    else:
        out.print(status_table(status))
        ago = max(0.0, time.time() - status.updated)  # the clock may have been put back
        out.print(f"{_state(folder, status.ended)}, last change {duration(ago)} ago")
    for note in status.notes:
        out.print(note, style="yellow")
    return 0


def list_studies(args: argparse.Namespace) -> int:
    from fuseablate.studies.screens.live import runs_of

    store = run_store(args.runs)
    table = bare_table()
    for name in ("Study", "Title", "State", "Runs"):
        table.add_column(name, overflow="fold")
    folders = started_studies(store)
    told = []
    for folder, study in zip(folders, listed_studies(store, folders), strict=True):
        state = "unreadable" if study.problem else _state(folder, study.ended)
        done = f"{study.done} of {runs_of(study.runs, study.possible)}"
        table.add_row(
            folder.name, study.problem or study.title, state, "?" if study.problem else done
        )
        kept = {name: value for name, value in vars(study).items() if name not in _NOT_TOLD}
        told.append({"study": folder.name, "state": state, **kept})
    if args.json:
        print(json.dumps(told, indent=2))
    elif table.row_count:
        console().print(table)
    else:
        print(plain(f"{store.root}: holds no study"))
    return 0


def _state(folder: Path, ended: bool) -> str:
    return "running" if is_held(folder) else "ended" if ended else "interrupted"


def remove_study(args: argparse.Namespace) -> int:
    """Remove a study's folder, asked for by name and confirmed; the runs stay."""
    store = run_store(args.runs)
    folder = find_study(store, args.name)
    question = f"remove {folder} (Optuna's journal, W&B files)? Its runs stay."
    if not args.yes and not confirmed(question):
        print("nothing removed")
        return 1
    with held(folder, folder.name):
        shutil.rmtree(folder)
    print(plain(f"removed {folder}; its runs are still in {store.root}"))
    return 0
