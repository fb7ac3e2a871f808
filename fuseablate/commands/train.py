"""`fuseablate train` and `fuseablate baseline`: runs of one network, one for each seed."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fuseablate.commands.arguments import (
    add_data,
    add_edits,
    add_input,
    add_quiet,
    add_runs,
    argument,
    edited_spec,
    loaded_data,
    match_classes,
    run_store,
    seeds,
    whole_number,
)
from fuseablate.commands.completion import complete_names
from fuseablate.cost import SUMMARY, spec_costs
from fuseablate.io.escaping import plain
from fuseablate.io.terminal import console
from fuseablate.report import analyse, of_records
from fuseablate.report.screen import print_report
from fuseablate.runs import Curves, Store, run_digest
from fuseablate.tracking import Mode, TrackedRun, Tracker, resolve_mode

if TYPE_CHECKING:
    from fuseablate.training import Progress


def add(commands: Any) -> None:
    """Declare both commands: the baseline is the published table, unedited."""
    train = commands.add_parser("train", help="train a spec, with edits, once for each seed")
    complete_names(train.add_argument("spec", help="a shipped spec (fusenet) or a path to a .toml"))
    add_edits(train)
    baseline = commands.add_parser("baseline", help="train the published FuSe table as it is")
    baseline.set_defaults(spec="fusenet", edits=[])
    for parser in (train, baseline):
        add_data(parser, default="cifar100")
        parser.add_argument(
            "--val",
            type=int,
            choices=(0,),
            help="0: train on all images, without validation; for reproductions only "
            "(default: a tenth of each class validates)",
        )
        add_input(parser)
        parser.add_argument(
            "--recipe",
            default="standard",
            metavar="NAME|FILE",
            help="a shipped recipe or a .toml (default: standard)",
        )
        parser.add_argument(
            "--epochs", type=whole_number(1), metavar="N", help="instead of the recipe's"
        )
        parser.add_argument(
            "--seeds", type=argument(seeds), default=(0,), metavar="0,1,2", help="(default: 0)"
        )
        parser.add_argument(
            "--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)"
        )
        parser.add_argument(
            "--threads",
            type=whole_number(1),
            default=1,
            metavar="N",
            help="CPU threads, which the result depends on (default: 1)",
        )
        parser.add_argument("--wandb", metavar="MODE", help="online, offline or off")
        add_runs(parser)
        add_quiet(parser)
        parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train what the store does not hold yet, then print the report of these runs."""
    from fuseablate.recipes import load_recipe

    mode, line = resolve_mode(args.wandb)
    if mode != "off" and not args.quiet:
        print(plain(line))
    spec = edited_spec(args.spec, args.edits)
    recipe = load_recipe(args.recipe)
    if args.epochs:
        recipe = recipe.with_epochs(args.epochs)

    from fuseablate.training import QuietProgress, suited_progress, train
    from fuseablate.training.environment import check_precision, choose_device

    device = choose_device(args.device)
    check_precision(recipe, device)
    data = loaded_data(args, args.input or spec.input, args.val)
    spec = match_classes(spec, data)
    if (data.parts or args.val == 0) and not args.quiet:
        print(plain(data.counts))
    if device.type == "cpu" and not args.quiet:
        print(cores_used(args.threads))
    store = run_store(args.runs)
    records = []
    with tracked(mode, spec.name, store) as tracker:
        for seed in args.seeds:
            progress = QuietProgress() if args.quiet else suited_progress()
            run = TrackedRun(
                key=run_digest(spec, recipe, data, seed),
                names=(spec.label or spec.name,),
                seed=seed,
                spec=spec.to_dict(),
                edits=spec.edits,
                recipe=recipe.to_dict(),
                costs=spec_costs(spec, SUMMARY, data.image_size),
            )
            tracker.started(run)
            record = train(
                spec,
                recipe,
                data,
                seed,
                store=store,
                device=args.device,
                threads=args.threads,
                progress=TrackedProgress(progress, tracker, run.key),
            )
            tracker.finished(run.key, store.folder(run.key))
            records.append(record)
    print_report(list(map(analyse, of_records(records))), console())
    return 1 if any(record.status == "failed" for record in records) else 0


@dataclass(frozen=True)
class TrackedProgress:
    """A progress whose epochs W&B is told of as well."""

    shown: Progress
    tracker: Tracker
    key: str

    def begin(self, title: str, epochs: int, done: int, images: int) -> None:
        self.shown.begin(title, epochs, done, images)

    def step(self, images: int, loss: float) -> None:
        self.shown.step(images, loss)

    def epoch(self, curves: Curves) -> None:
        self.tracker.epoch(self.key, vars(curves))
        self.shown.epoch(curves)

    def say(self, message: str) -> None:
        self.shown.say(message)

    def end(self) -> None:
        self.shown.end()


@contextmanager
def tracked(mode: Mode, group: str, store: Store) -> Iterator[Tracker]:
    """Have runs of no study tracked as one group; what W&B writes lies in `wandb` in the store."""
    tracker = Tracker(mode, group, hashlib.sha256(b"train").hexdigest(), store.root)
    try:
        yield tracker
    finally:
        for line in tracker.close():
            print(plain(line), file=sys.stderr)


def cores_used(threads: int) -> str:
    """Say how many threads a run on the CPU has, and how to have it use more cores."""
    if threads > 1:
        return f"on the CPU with {threads} threads"
    return (
        "on the CPU with 1 thread; --threads N uses more cores, and the workers of "
        "'fuseablate study run' use all of them"
    )
