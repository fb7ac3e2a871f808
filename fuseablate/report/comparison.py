"""What a report compares: variants with their runs, the reference first. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fuseablate.cost import COSTS, cost_kind
from fuseablate.errors import InputError
from fuseablate.io.terminal import counted
from fuseablate.runs import MATTERS, Record, Searched, ZeroCostScores, beneath
from fuseablate.seeds import Looks
from fuseablate.spec import InferredRow, Size, Spec

METRICS: Mapping[str, tuple[str, str]] = {
    "test_top1": ("test", "top1"),
    "test_top5": ("test", "top5"),
    "val_top1": ("val", "top1"),
    "val_top5": ("val", "top5"),
}


@dataclass(frozen=True, kw_only=True)
class ComparedVariant:
    """The runs that differ in their seed alone, ordered by it, and what they share."""

    key: str
    """A digest that stands for its network and recipe, by which it is known."""
    name: str
    """What a study calls it first, or the edits, or the spec's name; unique in its comparison."""
    changes: str
    """The edits, and the recipe where it is not the reference's; mostly empty for the reference."""
    aliases: tuple[str, ...] = ()
    """What else a study calls it: other combinations of levels that are the same network."""
    levels: tuple[Mapping[str, str], ...]
    params: int | None
    """None where results of elsewhere do not tell; so it is with MACs."""
    macs: int | None
    seeds: tuple[int, ...]
    """Those that were asked for; a run that has not ended is not among `runs`."""
    runs: tuple[Record, ...]
    iso_of: str | None = None
    """The variant that this one is, rescaled to the reference's cost."""
    latency: float | None = None
    """Milliseconds an image, where it was measured."""
    untested: bool = False
    """Whether the runs were trained for a selection: the test set was not read with them."""
    given: Mapping[int, float] | None = None
    """Scores in percent, by seed, of runs that were trained elsewhere and have no records; None
    where the runs have some."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Costs that are known beside params, MACs and latency, by name."""

    @property
    def beneath(self) -> str:
        """What stands beneath the name: what was changed, unless the name says it, and aliases."""
        return beneath((self.name, *self.aliases), self.changes)

    @property
    def finished(self) -> tuple[Record, ...]:
        """The runs that have a result."""
        return tuple(run for run in self.runs if run.test or (self.untested and run.val))

    @property
    def results(self) -> int:
        """How many seeds have a result."""
        return len(self.finished if self.given is None else self.given)

    @property
    def incomplete(self) -> bool:
        """Whether a seed that was asked for has no result."""
        return self.results < len(self.seeds)

    @property
    def diverged(self) -> str:
        """How many runs ended without a result, in words; empty where none did.

        The mean of the others says nothing of the variant: it is one over the runs that went well.
        """
        count = sum(run.failure is not None for run in self.runs)
        asked = len(self.seeds)
        return f"{count} of {counted(asked, 'run')} diverged" if count else ""

    @property
    def plot_label(self) -> str:
        """The name, and how many runs diverged."""
        return f"{self.name} ({self.diverged})" if self.diverged else self.name

    def cost(self, name: str) -> float | None:
        """Return a cost by its name; None of one that is not known of this variant.

        What no record holds is computed from the table of a run, which ended or not: nothing is
        trained or measured for it.
        """
        if name in ("params", "macs", "latency"):
            known: float | None = getattr(self, name)
            return known
        if name in self.costs:
            return self.costs[name]
        if name not in self._computed:
            self._computed[name] = cost_kind(name).total(self._rows) if self._rows else None
        return self._computed[name]

    @cached_property
    def _computed(self) -> dict[str, float | None]:
        return {}

    @cached_property
    def _rows(self) -> tuple[InferredRow, ...]:
        if not self.runs:
            return ()
        run = self.runs[0]
        height, width = run.data["image_size"]
        try:
            return Spec.from_dict(run.spec).infer((height, width))
        except InputError:  # a table of another version, or with an op that is not here
            return ()

    def scores(self, metric: str) -> dict[int, float]:
        """Return one of `METRICS` by seed, in percent, of the finished runs; or what was given."""
        if self.given is not None:
            return dict(self.given)
        part, measure = METRICS[metric]
        return {run.seed: 100 * getattr(getattr(run, part), measure) for run in self.finished}


@dataclass(frozen=True)
class UneditedTable:
    """The table that edits were made of; it need not have been trained."""

    spec: Spec
    size: Size

    def cost(self, name: str) -> float | None:
        """Return a cost by its name; None of one that is measured."""
        kind = cost_kind(name)
        return None if kind.measured else kind.total(self._rows)

    @cached_property
    def _rows(self) -> tuple[InferredRow, ...]:
        return self.spec.infer(self.size)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Variants that may be compared, the reference first: a study's, or those of a run store."""

    variants: tuple[ComparedVariant, ...]
    spec: str
    data: str
    """What the runs were trained on, in words."""
    recipe: str
    """How they were trained, in words."""
    name: str = ""
    """The study's, as are title, question, design and search; empty without a study."""
    title: str = ""
    question: str = ""
    design: str = ""
    notes: tuple[str, ...] = ()
    """What the reader must know beside the numbers."""
    search: Searched | None = None
    trials: tuple[ComparedVariant, ...] = ()
    """Those of a search that have all their seeds, where scores of their networks are known."""
    matters: float = MATTERS
    """The smallest difference that matters, in points."""
    made_equal: str | None = None
    """The cost to which `iso` was rescaled, where that is known."""
    looks: Looks | None = None
    """Those that were planned."""
    scores: ZeroCostScores | None = None
    """Those of untrained networks, where they were computed."""
    predictors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Validation accuracies in percent of other studies, by what the study is called and by the
    network (`networks_of`)."""
    unedited: UneditedTable | None = None
    """The table without edits, where the reference is edited and its table is known."""

    @property
    def reference(self) -> ComparedVariant:
        """What the others are compared with."""
        return self.variants[0]

    @property
    def cost_base(self) -> ComparedVariant | UneditedTable | None:
        """What costs are compared with; None where an edited reference's table is not known."""
        edited = any(run.edits for run in self.reference.runs[:1])
        return self.unedited if edited and not self.name else self.reference

    @property
    def setting(self) -> str:
        """What the runs were trained on and how, in words."""
        return f"{self.data}, recipe {self.recipe}" if self.recipe else self.data

    @property
    def heading(self) -> str:
        """The title, or without one what the runs were trained on and how."""
        return self.title or self.setting

    @property
    def untested(self) -> bool:
        """Whether the variants were trained for a selection: of these nothing is claimed."""
        return self.reference.untested

    @property
    def given(self) -> bool:
        """Whether the results are of runs that were trained elsewhere."""
        return self.reference.given is not None

    @property
    def validated(self) -> bool:
        """Whether the runs have validation scores: those on data with `val = 0` have none."""
        runs = [run for variant in self.variants for run in variant.finished]
        return not self.given and (not runs or any(run.val for run in runs))

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that are shown unless others are asked for: a search's, or those given."""
        if self.search:
            return tuple(name for name in self.search.objectives if name.partition("@")[0] in COSTS)
        return tuple(dict.fromkeys(name for variant in self.variants for name in variant.costs))

    @property
    def runs(self) -> tuple[tuple[ComparedVariant, Record], ...]:
        """Every run that has ended, with its variant."""
        return tuple((variant, run) for variant in self.variants for run in variant.runs)

    @property
    def raw(self) -> tuple[ComparedVariant, ...]:
        """The variants as their edits make them, the reference first."""
        return tuple(variant for variant in self.variants if variant.iso_of is None)

    @property
    def iso(self) -> tuple[ComparedVariant, ...]:
        """The reference and the variants rescaled to its cost; empty where a study has none."""
        rescaled = tuple(variant for variant in self.variants if variant.iso_of is not None)
        return (self.reference, *rescaled) if rescaled else ()

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each run that ended without a result."""
        return tuple(
            f"{variant.name}, seed {run.seed}: failed at step {run.failure.step} in epoch "
            f"{run.failure.epoch} (rate {run.failure.lr:g}): {run.failure.part} loss "
            f"{run.failure.loss}"
            if run.failure
            else f"{variant.name}, seed {run.seed}: has not been tested yet; train it again, "
            "which tests it from its weights"
            for variant, run in self.runs
            if run.failure or (run.untested and not variant.untested)
        )
