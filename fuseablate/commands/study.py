"""`fuseablate study`: run an ablation, watch it, list and remove studies."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.table import Table

from fuseablate.commands.arguments import add_runs, run_store, whole
from fuseablate.errors import InputError
from fuseablate.report import print_report
from fuseablate.runs import Store
from fuseablate.studies.board import STATUS, Board
from fuseablate.studies.lock import held, is_held
from fuseablate.terminal import change, console, duration, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.storages import BaseStorage

    from fuseablate.studies.drive import Driver
    from fuseablate.studies.plan import Plan, PlannedRun
    from fuseablate.studies.trials import Trials


def add(commands: Any) -> None:
    """Declare the command and what it does."""
    study = commands.add_parser("study", help="run, watch, list and remove ablation studies")
    actions = study.add_subparsers(dest="action", metavar="ACTION", required=True)

    run = actions.add_parser("run", help="run a study, or go on with it")
    run.add_argument("file", type=Path, help="the study's .toml")
    run.add_argument("--data-root", type=Path, metavar="DIR", help="where the data lie")
    run.add_argument("--dry-run", action="store_true", help="print the plan and train nothing")
    run.add_argument("--workers", type=whole(1), metavar="W", help="worker processes on the CPU")
    run.add_argument("--gpus", metavar="0,1", help="the GPUs to use (default: all)")
    run.add_argument("--per-gpu", type=whole(1), metavar="K", help="runs that share one GPU")
    run.add_argument(
        "--retries",
        type=whole(0),
        default=2,
        metavar="N",
        help="tries without a new checkpoint that a run is given (default: 2)",
    )
    run.add_argument("--storage", metavar="URL", help="an Optuna storage (default: a journal file)")
    run.add_argument("--wandb", metavar="MODE", help="online, offline or off")
    run.set_defaults(run=run_study)

    status = actions.add_parser("status", help="show a study, live while it runs")
    status.add_argument("name", nargs="?", help="the study (default: the newest)")
    status.set_defaults(run=show_status)

    every = actions.add_parser("list", help="list the studies of a run store")
    every.set_defaults(run=list_studies)

    remove = actions.add_parser("rm", help="remove a study; its runs stay in the store")
    remove.add_argument("name")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=remove_study)
    for parser in (run, status, every, remove):
        add_runs(parser)


def run_study(args: argparse.Namespace) -> int:
    """Run a study to its end and print its report; 1 where a run has no result."""
    from fuseablate.engines.plan import gpu_numbers, plan_workers
    from fuseablate.studies.file import load_study
    from fuseablate.tracking import resolve_mode

    study = load_study(args.file)
    gpus = gpu_numbers(args.gpus) if args.gpus else None
    workers = plan_workers(args.workers, gpus, args.per_gpu)
    mode, line = resolve_mode(args.wandb)
    store = run_store(args.runs)

    from fuseablate.studies.plan import make_plan

    plan = make_plan(study, args.data_root)
    if args.dry_run:
        print_plan(plan, store, workers.count)
        return 0
    if line:
        print(line)

    from fuseablate.engines.local import LocalEngine
    from fuseablate.studies.drive import Driver, new_board
    from fuseablate.studies.search_views import print_search
    from fuseablate.studies.trials import open_storage
    from fuseablate.studies.views import suited_view
    from fuseablate.tracking import Tracker

    folder = plan.folder(store)
    out = console()
    with held(folder, study.name):
        storage = open_storage(args.storage, folder)
        engine = LocalEngine(
            workers.devices, workers.per_device, retries=args.retries, log=folder / "workers.log"
        )
        tracker = Tracker(mode, study.name, plan.digest, folder)
        board = new_board(plan, workers.count)
        try:
            with suited_view(out) as view:
                driver = Driver(plan, store, engine, tracker, view, board, workers.threads)
                runs, found = carry_out(driver, storage, folder.name)
        except KeyboardInterrupt:
            out.print(
                f"stopped with {board.count('done', 'failed')} of {len(board.lines)} runs ended; "
                "the same command goes on from here"
            )
            raise
        finally:
            engine.close()
            for left in tracker.close():
                print(left)
    records = [record for run in runs if (record := store.get(run.digest))]
    if study.search and found:
        print_search(study.search, found, runs, len(study.seeds), out)
    print_report(records, out)
    out.print(f"Folder: {folder}; Optuna: optuna-dashboard {folder / 'journal.log'}", style="dim")
    # A trial that diverges is a result of a search; a finalist that does has none.
    return 1 if board.count("lost") or any(record.failure for record in records) else 0


def carry_out(
    driver: Driver, storage: BaseStorage | str, name: str
) -> tuple[Sequence[PlannedRun], Trials | None]:
    """Run a study; return the runs that are compared, and the trials where it is a search."""
    from fuseablate.studies.finalists import run_search
    from fuseablate.studies.fixed import FixedWork
    from fuseablate.studies.trials import Trials, distributions_of, open_study

    plan = driver.plan
    if plan.study.search:
        found, runs = run_search(driver, plan.study.search, storage, name)
        return runs, found
    trials = Trials(open_study(name, storage), distributions_of(plan.design))
    driver.run(FixedWork(plan, plan.runs, driver.store, trials))
    return plan.runs, None


def print_plan(plan: Plan, store: Store, workers: int) -> None:
    """Print each variant with its edits, its costs and what is done of it, and the time left."""
    out = console()
    study, design = plan.study, plan.design
    if study.search:
        from fuseablate.studies.search_views import print_search_plan

        print_search_plan(plan, study.search, store, workers, out)
        return
    out.print(f"[bold]{study.title}[/]  {study.question}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Variant", overflow="fold")
    table.add_column("Edits and recipe", overflow="fold")
    for name in ("Params", "change", "MACs", "change", "Done"):
        table.add_column(name, justify="right", no_wrap=True)
    base = plan.cost(design.reference)
    undone = [run for run in plan.runs if store.get(run.digest) is None]
    for variant in design.variants:
        cost = plan.cost(variant)
        mine = [run for run in plan.runs if run.variant is variant]
        done = sum(run not in undone for run in mine)
        recipe = variant.recipe.name if variant.recipe != design.reference.recipe else ""
        table.add_row(
            " = ".join(variant.names),
            " ".join((*variant.spec.edits, recipe)).strip() or "-",
            short(cost.params),
            change(cost.params, base.params),
            short(cost.macs),
            change(cost.macs, base.macs),
            f"{done} of {len(mine)}",
        )
    out.print(table)
    for note in (*design.left_out, *design.notes):
        out.print(note, style="yellow", soft_wrap=True)
    seconds = plan.seconds_left(store.records(), undone)
    time_left = f"about {duration(seconds / workers)}" if seconds is not None else (
        "unknown before the first run on these data")  # fmt: skip
    out.print(
        f"{len(plan.runs)} runs of {plan.data.title}, {study.recipe.epochs} epochs each by the "
        f"baseline's recipe ({study.recipe.name}); {len(undone)} to do on {workers} workers: "
        f"{time_left}",
        soft_wrap=True,
    )


def study_folders(store: Store) -> list[Path]:
    """Return the folders of the store's studies, the one changed last first."""
    folders = [path.parent for path in store.root.glob(f"studies/*/{STATUS}")]
    return sorted(folders, key=lambda folder: -(folder / STATUS).stat().st_mtime)


def find_study(store: Store, name: str | None) -> Path:
    """Return the folder of that name, or the newest study of that name without the digest."""
    folders = study_folders(store)
    for folder in folders:
        if name in (None, folder.name, folder.name.rpartition("-")[0]):
            return folder
    known = ", ".join(folder.name for folder in folders) or "none"
    raise InputError(f"study '{name}': not in {store.root} (studies: {known})")


def show_status(args: argparse.Namespace) -> int:
    """Show a study once, or, on a terminal, as long as it runs."""
    from fuseablate.studies.views import board_table

    folder = find_study(run_store(args.runs), args.name)
    out = console()
    board = Board.load(folder)
    if out.is_terminal and is_held(folder):
        with Live(board_table(board), console=out, refresh_per_second=4) as live:
            while is_held(folder):
                time.sleep(0.5)
                board = Board.load(folder)
                live.update(board_table(board))
    else:
        out.print(board_table(board))
        state = "running" if is_held(folder) else "ended" if board.ended else "interrupted"
        out.print(f"{state}, last change {duration(time.time() - board.updated)} ago")
    for note in board.notes:
        out.print(note, style="yellow", markup=False)
    return 0


def list_studies(args: argparse.Namespace) -> int:
    """Print a line for each study."""
    store = run_store(args.runs)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("Study", "Title", "State", "Runs"):
        table.add_column(name, overflow="fold")
    for folder in study_folders(store):
        board = Board.load(folder)
        state = "running" if is_held(folder) else "ended" if board.ended else "interrupted"
        done = f"{board.count('done', 'failed')} of {len(board.lines)}"
        table.add_row(folder.name, board.title, state, done)
    if table.row_count:
        console().print(table)
    else:
        print(f"{store.root}: holds no study")
    return 0


def remove_study(args: argparse.Namespace) -> int:
    """Remove a study's folder, asked for by name and confirmed; the runs stay."""
    store = run_store(args.runs)
    folder = find_study(store, args.name)
    if not args.yes:
        question = f"remove {folder} (Optuna's journal, W&B files)? Its runs stay. [y/N] "
        try:
            answer = input(question)
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            print("nothing removed")
            return 1
    with held(folder, folder.name):
        shutil.rmtree(folder)
    print(f"removed {folder}; its runs are still in {store.root}")
    return 0
