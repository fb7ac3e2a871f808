"""The plan of a study: which runs it needs, which of them are done, how long the rest takes."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuseablate.cost import measure
from fuseablate.data import Data, generated_data, load_data
from fuseablate.engines import Job
from fuseablate.layers import Cost
from fuseablate.record import Record
from fuseablate.runs import Store, run_digest
from fuseablate.studies.design import Design, Variant, expand
from fuseablate.studies.file import Study


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study, by the digest that names it in the store."""

    variant: Variant
    seed: int
    digest: str

    @property
    def name(self) -> str:
        """The variant's first name and the seed."""
        return f"{self.variant.names[0]} seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """A study on its data: `source` are the arguments that load them, `runs` seed by seed."""

    study: Study
    design: Design
    data: Data
    source: Mapping[str, Any]
    runs: tuple[PlannedRun, ...]

    @property
    def digest(self) -> str:
        """What names the study: its runs, and which of them the others are compared to."""
        content = [run.digest for run in self.runs] + [self.design.reference.names[0]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def folder(self, store: Store) -> Path:
        """Return where all of the study lies that is not a run."""
        return store.root / "studies" / f"{self.study.name}-{self.digest[:8]}"

    def cost(self, variant: Variant) -> Cost:
        """Return a variant's cost at the size of the data's images."""
        return measure(variant.spec, self.data.image_size)

    def job(self, run: PlannedRun, store: Store, threads: int) -> Job:
        """Return a run as an engine takes it."""
        return Job(
            key=run.digest,
            spec=run.variant.spec.to_dict(),
            recipe=run.variant.recipe.model_dump(mode="json"),
            data=self.source,
            seed=run.seed,
            runs=str(store.root.absolute()),
            threads=threads,
        )

    def seconds_left(self, records: Sequence[Record], undone: Sequence[PlannedRun]) -> float | None:
        """Return the seconds that the runs take one after another, by what others took.

        An epoch's time is read off a line over the MACs of the records on the same data, or off
        their median where they are all of one cost. None where there are none.
        """
        mine = dict(self.data.identity)
        known = [
            (record.macs, statistics.median(record.curves.seconds))
            for record in records
            if len(record.curves) and json.dumps(dict(record.data)) == json.dumps(mine)
        ]
        if not known:
            return None
        if len({macs for macs, _ in known}) > 1:
            slope, base = statistics.linear_regression(*zip(*known, strict=True))
        else:
            slope, base = 0.0, statistics.median(seconds for _, seconds in known)
        least = min(seconds for _, seconds in known) / 2
        return sum(
            run.variant.recipe.epochs * max(least, base + slope * self.cost(run.variant).macs)
            for run in undone
        )


def make_plan(study: Study, root: Path | None) -> Plan:
    """Load the data that lie in `root`, expand the design and name its runs."""
    source = study.data.arguments()
    if study.data.name == "generated":
        data = generated_data(**{key: value for key, value in source.items() if key != "name"})
    else:
        where = root.absolute() if root else None
        data = load_data(root=where, **source)
        # The first load has brought the files; workers find them where they lie.
        source = {**source, "root": str(where) if where else None, "download": False}
    design = expand(study, data.image_size, data.classes)
    runs = tuple(
        PlannedRun(variant, seed, run_digest(variant.spec, variant.recipe, data, seed))
        for seed in study.seeds
        for variant in design.variants
    )
    return Plan(study, design, data, source, runs)
