"""The plan of a study: which runs it needs, which of them are done, how long the rest takes."""

from __future__ import annotations

import hashlib
import itertools
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fuseablate.cost import inference_memory, measure, training_memory
from fuseablate.data import load_data
from fuseablate.data.parts import Data
from fuseablate.engines import Job
from fuseablate.errors import InputError
from fuseablate.layers import Cost
from fuseablate.plugins import plugin_sources
from fuseablate.recipes import Recipe, changed, check_trainable
from fuseablate.runs import Manifest, Record, Store, run_digests, teacher_of
from fuseablate.seeds import SeedPlan
from fuseablate.spec import Size, Spec
from fuseablate.studies.design import Design, Variant, expand
from fuseablate.studies.recipe_trials import RecipeTrial, recipes_to_try
from fuseablate.studies.study import Study

_NOT_SAMPLED = {"n_trials", "finalists", "compare_random", "points_to_evaluate"}  # keys of a search


@dataclass(frozen=True)
class PlannedRun:
    """A run that a study needs, whether or not the store holds it."""

    variant: Variant
    seed: int
    digest: str
    """What names it in the store."""
    tested: bool = True
    """Whether the test set is read; not with a run that is trained to choose by."""

    @property
    def name(self) -> str:
        return f"{self.variant.name} seed {self.seed}"

    def record(self, store: Store) -> Record | None:
        """Return its record; None where it has not ended, or has yet to be tested."""
        record = store.get(self.digest)
        return record if record and record.serves(self.tested) else None


@dataclass(frozen=True)
class Plan:
    """A study on its data: which runs it needs."""

    study: Study
    design: Design
    data: Data
    source: Mapping[str, Any]
    """The arguments that load the data."""
    runs: tuple[PlannedRun, ...]
    """Seed by seed.

    With planned looks the runs of the first look; of a search those that are known before it: the
    baseline on the fresh seeds. Those of a tuned study have the study's recipe until it is tuned.
    """
    recipes: tuple[RecipeTrial, ...] = ()
    """What each variant of a tuned study tries."""
    seen: tuple[SeedPlan, ...] = ()
    """Plans of seeds before this one, under which results were seen."""

    @property
    def seeds(self) -> SeedPlan:
        """The seeds that are compared: the study's, or those of a search's finalists."""
        search = self.study.search
        return SeedPlan.of(search.finalists.seeds) if search else self.study.seeds

    @property
    def digest(self) -> str:
        """What names the study: its variants, whatever their seeds, and what they are compared to.

        That of a search: the baseline, the seeds of a trial and all that decides what it samples.
        A search with more trials, with more points of one's own or finalists, or with random trials
        beside it, is the same one. That of a tuned study: its variants before the tuning, and what
        it tries.
        """
        variants = self.design.variants
        return self._named_by(run.digest for run in self.planned(variants, (0,)))

    def folder(self, store: Store) -> Path:
        """Return where all of the study lies that is not a run.

        A study that began when its folder was named by the runs of all its seeds goes on there.
        """
        named = store.root / "studies" / f"{self.study.name}-{self.digest[:8]}"
        if named.exists():
            return named
        before = self._named_by(run.digest for run in self.runs)[:8]
        for folder in sorted(named.parent.glob(f"{self.study.name}-{'?' * 8}")):
            if folder.name.endswith(before) or self._is_in(folder):
                return folder
        return named

    def _named_by(self, digests: Iterable[str]) -> str:
        content: list[Any] = [*digests, self.design.reference.names[0]]
        if self.study.search:
            table = self.study.search.model_dump(mode="json", exclude=_NOT_SAMPLED)
            content += [self.study.seeds.each, table]
        if self.study.tune:
            content.append(self.study.tune.model_dump(mode="json"))
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _is_in(self, folder: Path) -> bool:
        """Whether the manifest of a folder has the runs of these variants, of whatever seeds.

        That of a search does not say what was sampled, nor that of a tuned study what was tried:
        they tell nothing.
        """
        with suppress(InputError):
            manifest = Manifest.load(folder)
            planned = manifest.variants
            return (
                self.study.search is None
                and self.study.tune is None
                and manifest.tuned is None
                and manifest.name == self.study.name
                and len(planned) == len(self.design.variants)
                and all(
                    {run.seed: run.digest for run in self.planned([variant], tuple(known.runs))}
                    == known.runs
                    for variant, known in zip(self.design.variants, planned, strict=True)
                )
            )
        return False

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

    def planned(
        self, variants: Sequence[Variant], seeds: Sequence[int], *, tested: bool = True
    ) -> tuple[PlannedRun, ...]:
        by_name = {variant.name: seeds for variant in variants}
        return _planned(by_name, variants, self.data, tested)

    def counted(self, counts: Mapping[str, int]) -> tuple[PlannedRun, ...]:
        """Return the runs of all variants, seed by seed: so many seeds, by a variant's name."""
        seeds = {name: range(count) for name, count in counts.items()}
        return _planned(seeds, self.design.variants, self.data)

    def comparing(self, design: Design) -> Plan:
        """Return the plan of a design's variants, each with the seeds of the study."""
        seeds = {variant.name: self.seeds.each for variant in design.variants}
        seeds[design.reference.name] = self.seeds.reference
        return replace(self, design=design, runs=_planned(seeds, design.variants, self.data))

    def job(self, run: PlannedRun, store: Store, threads: int) -> Job:
        spec, recipe = run.variant.spec, run.variant.recipe
        size = self.data.image_size
        return Job(
            key=run.digest,
            spec=spec.to_dict(),
            recipe=recipe.model_dump(mode="json"),
            data=self.source,
            seed=run.seed,
            runs=str(store.root.absolute()),
            threads=threads,
            tested=run.tested,
            memory=_step_memory(
                spec, size, recipe.batch_size, recipe.optimizer, averaged=recipe.ema is not None
            )
            + self._teacher_memory(recipe, store),
            plugins=plugin_sources(),
        )

    def _teacher_memory(self, recipe: Recipe, store: Store) -> int:
        """Return the bytes of a run's teacher: its weights, and what it makes of a batch.

        It works while the run's own maps wait for the backward pass.
        """
        try:
            record = teacher_of(store, recipe, self.data)
        except InputError:
            return 0  # the worker says why
        if record is None:
            return 0
        size, batch = self.data.image_size, recipe.batch_size
        taught = inference_memory(Spec.from_dict(record.spec), size, batch)
        return taught.weights + taught.work

    def check_teachers(self, store: Store) -> None:
        """Refuse a run to come whose recipe names a teacher that cannot teach it."""
        recipes = [run.variant.recipe for run in self.runs if not run.record(store)]
        if not self.folder(store).exists():  # once begun it may have no more use for one
            recipes += _sampled(self.study, "teacher")
        for recipe in recipes:
            try:
                teacher_of(store, recipe, self.data)
            except InputError as error:
                raise error.within(str(self.study.path)) from None

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


def make_plan(study: Study, root: Path | str | None) -> Plan:
    """Load the data that lie in `root`, expand the design and name its runs."""
    where = Path(root).absolute() if root else None
    data = load_data(study.data.name, where, **study.data.options)
    place = str(where) if where else None
    source = {"name": study.data.name, "root": place, **study.data.options}
    design = expand(study, data.image_size, data.classes)
    for recipe in (
        *(variant.recipe for variant in design.variants),
        *_sampled(study, "batch_size"),
    ):
        try:
            recipe.check_images(len(data.train), data.title)
        except InputError as error:
            raise error.within(str(study.path)) from None
    plan = Plan(study, design, data, source, ()).comparing(design)
    if study.tune is None:
        return plan
    try:
        recipes = [variant.recipe for variant in design.variants]
        tried = recipes_to_try(study.tune, design.reference.spec, recipes)
        _check_tried(tried, design.variants, data.image_size)
    except InputError as error:
        raise error.within(f"{study.path}: tune") from None
    return replace(plan, recipes=tried)


def _check_tried(tried: Sequence[RecipeTrial], variants: Sequence[Variant], size: Size) -> None:
    for trial, variant in itertools.product(tried, variants):
        try:
            check_trainable(variant.spec, changed(variant.recipe, trial.changes), size)
        except InputError as error:
            raise error.within(variant.name) from None


def _sampled(study: Study, field: str) -> Iterator[Recipe]:
    """Yield the recipe with each value of a field that a search or a tuning tries beforehand."""
    varied = study.search or study.tune
    for parameter in varied.parameters if varied else ():
        for value in parameter.samples():
            if tried := parameter.changes(value).get(field):
                yield changed(study.recipe, {field: tried})


@lru_cache(maxsize=1024)  # the seeds of so many variants, however they take turns
def _step_memory(spec: Spec, size: Size, batch: int, optimizer: str, *, averaged: bool) -> int:
    """Return the bytes that a training step takes at most; an average is a second network."""
    step = training_memory(spec, size, batch, optimizer)
    return step.total + (step.weights if averaged else 0)


def _planned(
    seeds: Mapping[str, Sequence[int]],
    variants: Sequence[Variant],
    data: Data,
    tested: bool = True,
) -> tuple[PlannedRun, ...]:
    """Return the runs seed by seed, with the seeds of each variant by its first name."""
    digests = {
        variant.name: run_digests(variant.spec, variant.recipe, data, seeds[variant.name])
        for variant in variants
    }
    return tuple(
        PlannedRun(variant, seed, digests[variant.name][seed], tested)
        for seed in dict.fromkeys(seed for some in seeds.values() for seed in some)
        for variant in variants
        if seed in digests[variant.name]
    )
