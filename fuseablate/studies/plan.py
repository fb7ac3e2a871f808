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
    """A study on its data: `source` are the arguments that load them, `runs` seed by seed.

    The runs of a search are those that are known before it: the baseline on the fresh seeds.
    """

    study: Study
    design: Design
    data: Data
    source: Mapping[str, Any]
    runs: tuple[PlannedRun, ...]

    @property
    def digest(self) -> str:
        """What names the study: its runs, and which of them the others are compared to.

        That of a search: the runs of the baseline, its seeds and all that decides what it
        samples. A search with more trials, or with more finalists, is the same one.
        """
        content: list[Any] = [run.digest for run in self.runs] + [self.design.reference.names[0]]
        if self.study.search:
            table = self.study.search.model_dump(mode="json", exclude={"n_trials", "finalists"})
            content += [self.study.seeds, table]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def folder(self, store: Store) -> Path:
        """Return where all of the study lies that is not a run."""
        return store.root / "studies" / f"{self.study.name}-{self.digest[:8]}"

    def cost(self, variant: Variant) -> Cost:
        """Return a variant's cost at the size of the data's images."""
        return measure(variant.spec, self.data.image_size)

    def attributes(self, variant: Variant) -> dict[str, Any]:
        """Return what Optuna's storage says of a variant's trial."""
        cost = self.cost(variant)
        return {
            "names": list(variant.names),
            "edits": " ".join(variant.spec.edits),
            "recipe": variant.recipe.name,
            "params": cost.params,
            "macs": cost.macs,
        }

    def planned(self, variants: Sequence[Variant], seeds: Sequence[int]) -> tuple[PlannedRun, ...]:
        """Return the runs of the variants, seed by seed."""
        return _planned(variants, seeds, self.data)

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

        An epoch's time is read off a line over the MACs of the records on the same data; where
        that does not rise, MACs take the time that they took in the median. None without records.
        """
        mine = dict(self.data.identity)
        known = [
            (record.macs, statistics.median(record.curves.seconds))
            for record in records
            if len(record.curves) and json.dumps(dict(record.data)) == json.dumps(mine)
        ]
        if not known:
            return None
        slope = base = 0.0
        if len({macs for macs, _ in known}) > 1:
            slope, base = statistics.linear_regression(*zip(*known, strict=True))
        if slope <= 0:
            slope, base = statistics.median(seconds / macs for macs, seconds in known), 0.0
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
        source = {**source, "root": str(where) if where else None}
    design = expand(study, data.image_size, data.classes)
    seeds = study.search.finalists.seeds if study.search else study.seeds
    return Plan(study, design, data, source, _planned(design.variants, seeds, data))


def _planned(
    variants: Sequence[Variant], seeds: Sequence[int], data: Data
) -> tuple[PlannedRun, ...]:
    return tuple(
        PlannedRun(variant, seed, run_digest(variant.spec, variant.recipe, data, seed))
        for seed in seeds
        for variant in variants
    )
