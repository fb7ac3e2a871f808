"""A study from Python: what squeeze-and-excite and larger kernels buy in a narrow network.

    python examples/study_in_python.py --runs runs
    fuseablate report narrow --runs runs

Runs are named by what determines them: one that the store holds is not trained again, and one
that was interrupted goes on after its last epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fuseablate import Store, Study, load_recipe, load_spec, run_study


def study(epochs: int, seeds: int) -> Study:
    """Return the study: a baseline, and beside it each level of each factor."""
    return Study.from_dict(
        {
            "title": "A narrow FuSeNet",
            "question": "What do squeeze-and-excite and the large kernels buy?",
            "spec": load_spec("fusenet").edit("scale.width=x0.25"),
            "data": {"name": "generated", "size": 16, "classes": 4, "train_images": 60},
            "recipe": load_recipe("standard").replace(epochs=epochs, batch_size=36),
            "seeds": list(range(seeds)),
            "design": "one-factor",
            "factors": [
                {"name": "se", "levels": [{"name": "off", "edits": ["all.se=false"]}]},
                {"name": "kernel", "levels": [{"name": "3", "edits": ["fuse.kernel=3"]}]},
            ],
        },
        name="narrow",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the run store")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--workers", type=int, help="processes (default: one for each core)")
    args = parser.parse_args()

    result = run_study(
        study(args.epochs, args.seeds), store=Store(args.runs), workers=args.workers, progress=print
    )
    print(result)
    if result.best:
        print(f"The highest mean is that of {result.best.variant.name}: {result.best.verdict}")


if __name__ == "__main__":  # workers are processes, which may import this file
    main()
