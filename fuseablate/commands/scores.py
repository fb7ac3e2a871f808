"""`fuseablate scores`: the zero-cost scores of a study's variants, for its report."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from fuseablate.commands.arguments import add_runs, run_store, whole_number
from fuseablate.data import DATA_SETS, load_data
from fuseablate.errors import InputError
from fuseablate.io.terminal import console, named_table
from fuseablate.report import of_study, trials_of
from fuseablate.runs import Manifest, ZeroCostScores, networks_of, select_runs
from fuseablate.spec import Spec


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "scores", help="zero-cost scores of a study's networks, which its report then ranks"
    )
    parser.add_argument("study", help="a study of which runs have ended, by its name")
    add_runs(parser)
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR", help="where the study's data lie (default: data)"
    )
    parser.add_argument(
        "--batch-size", type=whole_number(2), default=64, metavar="N", help="(default: 64)"
    )
    parser.add_argument(
        "--batches",
        type=whole_number(2),
        default=2,
        metavar="N",
        help="(default: 2, as ZiCo takes)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="S",
        help="of the weights and of the batches",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score each network once, write the scores beside the study's manifest, and print them."""
    store = run_store(args.runs)
    studies = select_runs(store, [args.study]).studies
    if not studies:
        raise InputError(f"'{args.study}' is a run; scores are those of a study's variants")
    folder = studies[0]
    manifest = Manifest.load(folder)
    every = (*of_study(manifest, store.readable).variants, *trials_of(manifest, store.readable))
    variants = [variant for variant in every if variant.runs]
    if not variants:
        raise InputError(f"{folder}: no run has ended; train the study first")
    records = [variant.runs[0] for variant in variants]
    identity = records[0].data
    known = {**identity["content"], "size": identity["image_size"][0]}
    taken = DATA_SETS.named(identity["name"]).arguments
    arguments = {key: known[key] for key in taken if key in known}
    data = load_data(
        identity["name"],
        args.data_root,
        split_seed=identity["split_seed"],
        val=None if identity["val"] else 0,
        **arguments,
    )
    if json.dumps(dict(data.identity)) != json.dumps(dict(identity)):
        raise InputError(f"--data-root: {data.title} there is not what the study saw")

    from fuseablate.data.batches import TrainBatches
    from fuseablate.network import build
    from fuseablate.network.scores import SCORES
    from fuseablate.streams import stream

    order, augment = [stream(args.seed, "order")], [stream(args.seed, "augment")]
    drawn = TrainBatches(data.train, data, args.batch_size, "cpu", order=order, augment=augment)
    if len(drawn) < args.batches:
        raise InputError(f"--batches {args.batches}: the training images make {len(drawn)}")
    batches = list(itertools.islice(drawn, args.batches))
    values: dict[str, dict[str, float]] = {}
    for network, record in zip(networks_of(records), records, strict=True):
        if network in values:
            continue
        height, width = record.data["image_size"]
        module = build(Spec.from_dict(record.spec), args.seed, size=(height, width))
        values[network] = {name: score(module, batches) for name, score in SCORES.items()}
    scores = ZeroCostScores(
        images=args.batch_size, batches=args.batches, seed=args.seed, values=values
    )
    scores.save(folder)
    names = {
        variant.name: values[network]
        for variant, network in zip(variants, networks_of(records), strict=True)
    }
    if args.json:
        print(json.dumps(names, indent=2))
        return 0
    table = named_table("Variant")
    for name in SCORES:
        table.add_column(name, justify="right", no_wrap=True)
    for name, of_variant in names.items():
        table.add_row(name, *(f"{value:.2f}" for value in of_variant.values()))
    out = console()
    out.print(table)
    out.print(
        f"Of untrained networks, seed {args.seed}, {args.batches} batches of {args.batch_size} "
        f"images; nothing is chosen by them. 'fuseablate report {args.study}' ranks them beside "
        "params and MACs.",
        style="dim",
        soft_wrap=True,
    )
    return 0
