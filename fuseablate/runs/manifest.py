"""What a study leaves for its report: its variants, their runs by digest, a search's trials.

The driver writes it to `study.json` in the study's folder. Without torch and without Optuna.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fuseablate.errors import InputError
from fuseablate.io.atomic import write_atomically
from fuseablate.io.checked import read_as
from fuseablate.io.reading import RUNS_BYTES
from fuseablate.io.terminal import counted
from fuseablate.seeds import SeedPlan

MANIFEST = "study.json"
JOURNAL = "journal.log"  # of a search's trials, as Optuna writes it
MATTERS = 1.0  # points of top-1: the smallest difference that matters, where nothing else is said
BASELINE = "baseline"  # the level of a factor that is untouched


@dataclass(frozen=True, kw_only=True)
class PlannedVariant:
    """A variant of a study, and its runs."""

    names: tuple[str, ...]
    """At least one, the first for use."""
    edits: tuple[str, ...]
    levels: tuple[Mapping[str, str], ...]
    """For each combination that it is the level of each factor (`baseline` where that is
    untouched); of a per-row design the one level `row`."""
    recipe: str
    """The name of its own where it is not the reference's, else empty; `spec` likewise."""
    params: int
    macs: int
    runs: Mapping[int, str]
    """The digest of the run of each seed."""
    spec: str = ""
    iso_of: str | None = None
    """The variant that this one is, rescaled to the reference's cost."""
    latency: float | None = None
    """Milliseconds an image, where it was measured."""
    tuned: str = ""
    """What its own tuning changed of the recipe."""

    @property
    def changes(self) -> str:
        """What it changes of the reference, in words."""
        return " ".join(filter(None, (self.spec, *self.edits, self.recipe, self.tuned)))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial of a search."""

    number: int
    state: str
    """`complete`, `pruned`, `fail` or `running`."""
    seeds: int
    top1: float | None
    """On the validation split, in percent, the mean over its seeds."""
    params: int
    macs: int
    latency: float | None
    edits: str
    finalist: bool
    """Whether it was trained anew."""
    recipe: str = ""
    """What it changes of the study's."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Those that are objectives, beyond the ones above."""
    assignment: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    """The value of each parameter that it has; empty in manifests of before it was written."""
    point: bool = False
    """Whether it was a point of the study's file, and not the sampler's draw."""
    runs: Mapping[int, str] = field(default_factory=dict)
    """The digests of its runs by their seeds, begun or not; none of a random trial."""

    @property
    def changes(self) -> str:
        """What it changes of the baseline, in words."""
        return " ".join(filter(None, (self.edits, self.recipe)))

    def cost(self, name: str) -> float | None:
        """Return a cost that is an objective, params or MACs; None of a latency not measured."""
        value: float | None = self.costs[name] if name in self.costs else getattr(self, name)
        return value


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search did."""

    sampler: str
    objectives: tuple[str, ...]
    seeds: int
    trials: tuple[Trial, ...]
    refused: Mapping[str, int]
    """How many samples were not trained, by reason."""
    importance: Mapping[str, float]
    """The share of each parameter in what makes the best tenth (PED-ANOVA); empty before 20
    trials."""
    random: tuple[Trial, ...] = ()
    """The trials of a random search beside it, none of them a finalist."""

    @property
    def origin(self) -> str:
        """How many trials there are, and where they are from, in words."""
        points = sum(trial.point for trial in self.trials)
        drawn = len(self.trials) - points
        if not points:
            return f"{counted(drawn, 'trial')} by {self.sampler}"
        own = counted(points, "point")
        by = f" and {drawn:,} by {self.sampler}" if drawn else ""
        return f"{counted(len(self.trials), 'trial')}, {own} of the study's file{by}"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """How each variant was tuned: by so many recipes, each trained with these seeds."""

    trials: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A study as its report needs it."""

    name: str
    title: str
    question: str
    design: str
    spec: str
    variants: tuple[PlannedVariant, ...]
    """The first is the reference."""
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    search: Searched | None = None
    tuned: Tuned | None = None
    matters: float = MATTERS
    """The smallest difference that matters, in points of top-1."""
    iso: str | None = None
    """The cost that was made equal, where one was; manifests of before it was written say none."""
    seeds: SeedPlan | None = None
    """Those that were planned; None in manifests of before it was written."""
    seen: tuple[SeedPlan, ...] = ()
    """The plans before it, under which results were seen, the first one first."""

    def __post_init__(self) -> None:
        if not self.variants or not all(variant.names for variant in self.variants):
            raise InputError("it has no variant, or one without a name")

    @property
    def planned_seeds(self) -> SeedPlan:
        """The seeds that were planned; in a manifest that does not say it, those of its runs."""
        if self.seeds:
            return self.seeds
        reference, *others = self.variants
        return SeedPlan(
            each=tuple((others or [reference])[-1].runs), reference=tuple(reference.runs)
        )

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_atomically(folder / MANIFEST, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Return the manifest of the study in `folder`; an `InputError` says why there is none."""
        try:
            return read_as(cls, folder / MANIFEST, "a study's manifest", _of_today, RUNS_BYTES)
        except InputError as error:
            raise InputError(f"{error}; 'fuseablate study run' writes it anew") from None


def beneath(names: Sequence[str], changes: str) -> str:
    """Return what stands beneath the first of a variant's names, wherever there is room for it.

    What it changes, unless the name says just that, and the other names.
    """
    name, *others = names
    said = changes if changes != name else ""
    return "; ".join(filter(None, (said, f"also {', '.join(others)}" if others else "")))


def _of_today(table: Any) -> Any:
    """Return a manifest whose variants have the levels of each of their names.

    They held those of the first name alone. What is no manifest is returned as it is.
    """
    match table:
        case {"variants": [*variants]}:
            return {**table, "variants": [_with_all_levels(variant) for variant in variants]}
    return table


def _with_all_levels(variant: Any) -> Any:
    match variant:
        case {"names": [str(), *names], "levels": dict() as first}:
            others = _combinations([name for name in names if isinstance(name, str)], first)
            return {**variant, "levels": [first, *others]}
    return variant


def _combinations(names: Iterable[str], first: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Return the levels that names such as `se=off,kernel=7` stand for, of the same factors.

    Names other than those of combinations, such as a rescaled variant's, stand for none.
    """
    for name in names:
        if not re.fullmatch(r"[^=,]+=[^=,() ]+(,[^=,]+=[^=,() ]+)*", name):
            continue
        levels = dict(pair.split("=") for pair in name.split(","))
        if levels.keys() <= first.keys():
            yield {**dict.fromkeys(first, BASELINE), **levels}
