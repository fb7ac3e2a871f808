"""`fuseablate runs`: list, show, remove, export and import the runs of a store."""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import add_runs, confirmed, run_store, whole_number
from fuseablate.errors import InputError
from fuseablate.io.escaping import plain
from fuseablate.io.terminal import console, counted
from fuseablate.runs import ENDED, STATUSES, ListedRun, Store, listed_runs, select_runs, stored_run

if TYPE_CHECKING:
    from fuseablate.runs.transfer.contents import Meter

MOST_RUNS = 1000  # runs in a table, where no other number is asked for
LARGE_FILE = 1 << 26  # bytes of a file that is worth a line of its own


def add(commands: Any) -> None:
    runs = commands.add_parser("runs", help="list, show and remove runs; move them between stores")
    actions = runs.add_subparsers(dest="action", metavar="ACTION", required=True)

    every = actions.add_parser("list", help="list the runs of a store, ended or not")
    _add_names(every, "all")
    every.add_argument("--status", choices=STATUSES, help="only those")
    every.add_argument(
        "--newest",
        type=whole_number(1),
        metavar="N",
        help="only the N that changed last (default: 1000; as JSON all)",
    )
    every.add_argument("--json", action="store_true", help="print a JSON list")
    every.set_defaults(run=list_runs)

    show = actions.add_parser("show", help="show all that is known of a run")
    show.add_argument("what", metavar="RUN", help="the first digits of its id")
    show.add_argument("--json", action="store_true", help="print its record as JSON")
    show.set_defaults(run=show_run)

    remove = actions.add_parser("rm", help="remove runs; a study trains its own again when asked")
    _add_names(remove, "none")
    remove.add_argument(
        "--unfinished", action="store_true", help="of those (or of all) the interrupted ones"
    )
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(run=remove_runs)

    out = actions.add_parser("export", help="write runs and studies to a file, to be imported")
    _add_names(out, "all")
    out.add_argument("file", type=Path, metavar="FILE", help="FILE.tar, or a new folder")
    out.add_argument("--weights", action="store_true", help="with the weights of finished runs")
    out.add_argument(
        "--checkpoints", action="store_true", help="with the runs that have not ended, to go on"
    )
    out.set_defaults(run=export)

    into = actions.add_parser("import", help="put the runs of an export into the store")
    into.add_argument("file", type=Path, metavar="FILE|FOLDER", help="an export, or a run store")
    into.add_argument(
        "--keep", action="store_true", help="where the store has another record, leave it there"
    )
    into.set_defaults(run=import_)
    for parser in (every, show, remove, out, into):
        add_runs(parser)


def _add_names(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        metavar="RUN|STUDY",
        help=f"runs by the first digits of their ids, studies by name (default: {default})",
    )


def list_runs(args: argparse.Namespace) -> int:
    """Print a line a run; of very many those that changed last."""
    from fuseablate.show.runs import print_run_list

    store = run_store(args.runs)
    listed = listed_runs(store, select_runs(store, args.what).runs)
    chosen = [run for run in listed if args.status in (None, run.status)]
    runs = chosen[: args.newest or (None if args.json else MOST_RUNS)]
    if args.json:
        print(json.dumps([vars(run) for run in runs], indent=2))
    elif runs:
        print_run_list(runs, time.time(), console())
        if not args.newest and len(runs) < len(chosen):
            more = f"{len(chosen) - len(runs):,} more; --newest N lists as many, --json all"
            print(plain(f"{more}; names, studies and --status choose among them"))
        for run in runs:
            if run.problem:
                print(plain(f"warning: {run.problem}"), file=sys.stderr)
    else:
        print(
            plain(f"{store.root}: holds no run{f' that is {args.status}' if args.status else ''}")
        )
    return 0


def show_run(args: argparse.Namespace) -> int:
    from fuseablate.show.runs import print_run

    (folder,) = _runs_alone(run_store(args.runs), args.what)
    run = stored_run(folder)
    if run.problem:
        raise InputError(run.problem)
    if not args.json:
        print_run(run, console())
    elif run.record:
        print(run.record.to_json(), end="")
    else:
        raise InputError(f"run {run.id}: has not ended, and so has no record to print as JSON")
    return 0


def _runs_alone(store: Store, name: str) -> tuple[Path, ...]:
    chosen = select_runs(store, [name])
    if chosen.studies:
        raise InputError(f"'{name}' is a study; see it with 'fuseablate runs list {name}'")
    return chosen.runs


def remove_runs(args: argparse.Namespace) -> int:
    """Remove runs, named and confirmed; 1 where one is left, or the answer is no."""
    store = run_store(args.runs)
    if not args.what and not args.unfinished:
        raise InputError("name runs or studies to remove, or say --unfinished")
    chosen = listed_runs(store, select_runs(store, args.what).runs)
    if args.unfinished:
        chosen = [run for run in chosen if run.status in ("interrupted", "running")]
    held = [run for run in chosen if run.held]
    runs = [run for run in chosen if not run.held]
    for run in held:
        print(plain(f"run {run.id}: a process is training it, and it stays"))
    if not runs:
        print("nothing to remove")
        return 1 if held else 0
    size = sum(run.bytes for run in runs)
    ended = sum(run.status in ENDED for run in runs)
    names = ", ".join(run.id for run in runs[:5]) + (", ..." if len(runs) > 5 else "")
    what = f"{counted(len(runs), 'run')} ({names}; {ended} of them ended; {size:,} bytes)"
    if not args.yes and not confirmed(f"remove {what} from {store.root}?"):
        print("nothing removed")
        return 1
    for run in runs:
        _remove(run, store)
    print(plain(f"removed {counted(len(runs), 'run')} ({size:,} bytes)"))
    return 1 if held else 0


def _remove(run: ListedRun, store: Store) -> None:
    """Remove a run's folder; from the first moment on nothing is left of it under its name."""
    try:
        with store.open(run.id) as folder:
            gone = folder.path.with_name(f".removed-{secrets.token_hex(4)}")
            folder.path.rename(gone)
            shutil.rmtree(gone)
    except OSError as error:
        raise InputError(
            f"run {store.root / run.id}: cannot be removed: {error.strerror}"
        ) from None


def export(args: argparse.Namespace) -> int:
    """Write an export; 1 where a run could not be read."""
    from fuseablate.runs.transfer import export_runs

    store = run_store(args.runs)
    if not args.what:
        _check_no_name(args.file, store)
    chosen = select_runs(store, args.what)
    with _meter() as meter:
        done = export_runs(
            chosen, args.file, meter, weights=args.weights, checkpoints=args.checkpoints
        )
    for note in done.notes:
        print(plain(note))
    said = (
        f"{args.file}: {counted(done.runs, 'run')} and {counted(done.studies, 'study', 'studies')} "
        f"of {store.root}, with the weights of {counted(done.weights, 'run')} and "
        f"{counted(done.checkpoints, 'checkpoint')}; "
        f"'fuseablate runs import {args.file}' puts them into another store"
    )
    print(plain(said))
    return 1 if any(note.startswith("left out") for note in done.notes) else 0


def _check_no_name(file: Path, store: Store) -> None:
    """Refuse a run or a study whose file was forgotten: it would be a folder of the whole store."""
    try:
        select_runs(store, [str(file)])
    except InputError:
        return
    raise InputError(
        f"FILE {file}: is a run or a study of {store.root}; name the file, too: "
        f"fuseablate runs export {file} {file}.tar"
    )


def import_(args: argparse.Namespace) -> int:
    """Import an export; 1 where a run or a study of it was left out."""
    from fuseablate.runs.transfer import import_runs

    store = run_store(args.runs)
    with _meter() as meter:
        done = import_runs(args.file, store, meter, keep=args.keep)
    for line in done.left:
        print(plain(line))
    said = (
        f"{store.root}: from {args.file} {counted(done.records, 'record')}, "
        f"{done.weights} weights, {counted(done.checkpoints, 'checkpoint')}, "
        f"{counted(done.studies, 'study', 'studies')}; "
        f"{done.here} here already, {len(done.left)} left out"
    )
    print(plain(said))
    return 1 if done.left else 0


class _Lines:
    """A line for each large file, where there is no terminal."""

    def begin(self, name: str, size: int) -> None:
        if size >= LARGE_FILE:
            print(plain(f"{name}: {size:,} bytes"), flush=True)

    def advance(self, count: int) -> None:
        pass


@contextmanager
def _meter() -> Iterator[Meter]:
    out = console(stderr=True)
    if not out.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("")

        class Bar:
            def begin(self, name: str, size: int) -> None:
                progress.reset(task, total=size, description=name)

            def advance(self, count: int) -> None:
                progress.advance(task, count)

        yield Bar()
