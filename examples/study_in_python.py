"""A study from Python: what squeeze-and-excite buys in a small network, over three seeds.

    python examples/study_in_python.py --runs runs
    fuseablate report --runs runs

Runs are named by what determines them: one that the store holds is not trained again, and one
that was interrupted goes on after its last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

from fuseablate import Store, load_data, load_recipe, load_spec, measure, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the run store")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    args = parser.parse_args()

    data = load_data("generated", size=16, classes=4, train_images=60, test_images=20)
    recipe = load_recipe("standard").replace(epochs=args.epochs, batch_size=36)
    base = load_spec("fusenet").edit("scale.width=x0.25").with_classes(data.classes)
    variants = {
        "baseline": base,
        "no SE": base.edit("all.se=false"),
        "kernel 3": base.edit("fuse.kernel=3"),
    }
    for name, spec in variants.items():
        records = [
            train(spec, recipe, data, seed, store=Store(args.runs)) for seed in range(args.seeds)
        ]
        scores = [record.test.top1 for record in records if record.test]
        cost = measure(spec, data.image_size)
        print(f"{name:10} {cost.macs:>9,} MACs  top-1 {100 * fmean(scores):5.2f} %")


if __name__ == "__main__":
    main()
