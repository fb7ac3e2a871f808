"""A comparison analysed, once: all that a report computes and says. What is left is to write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fuseablate.cost import CostKind, cost_kind
from fuseablate.errors import InputError
from fuseablate.io.display import Displayed
from fuseablate.report.columns import ReportColumn
from fuseablate.report.comparison import METRICS, ComparedVariant, Comparison
from fuseablate.report.differences import AnalysedVariant, SectionStatistics, analyse_variants
from fuseablate.report.options import ReportOptions
from fuseablate.report.ranks import Ranks, rank_lines, ranks_of
from fuseablate.report.words import conclusion, nearness_lines, statistics_lines

if TYPE_CHECKING:
    from fuseablate.stats import Delta, RankCorrelation


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table of variants and what it means: as their edits make them, or rescaled to one cost."""

    equal_cost: bool
    variants: tuple[AnalysedVariant, ...]
    """All of them, the reference first."""
    rows: tuple[AnalysedVariant, ...]
    """Those that are shown, in their order."""
    columns: tuple[ReportColumn[AnalysedVariant], ...]
    statistics: SectionStatistics
    conclusion: str
    """In a few sentences what the data support; empty where nothing is compared."""
    method: tuple[str, ...]
    """How the intervals were made, and what the study could have seen; or why neither."""
    ranks: Mapping[str, RankCorrelation]
    """How costs and zero-cost scores rank the variants, beside their accuracy."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """What a factorial design tells beyond its variants, or why it tells nothing."""

    deltas: tuple[Delta, ...] = ()
    """Main effects and interactions, each under the name of its levels."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class AnalysedComparison(Displayed, view="fuseablate.report.screen:print_comparison"):
    """All that a report says of a comparison under some options."""

    comparison: Comparison
    options: ReportOptions
    metric: str
    """That of the options; of untested runs the validation score in its place, of runs without
    validation images the test score, and `score` of results that were given."""
    sections: tuple[Section, ...]
    """The variants as their edits make them; and where a study has them, those at equal cost."""
    effects: Effects | None
    """None for designs without factors that cross."""
    trial_ranks: Mapping[str, RankCorrelation]
    """How costs and zero-cost scores rank the trials of a search, by their validation top-1; empty
    without scores."""

    @property
    def title(self) -> str:
        return self.comparison.title or self.comparison.spec

    def title_of(self, section: Section) -> str:
        """Return the title of one of its tables."""
        return f"{self.title}, at equal cost" if section.equal_cost else self.title

    @property
    def metric_title(self) -> str:
        """The metric as a heading: `Test top-1`."""
        if self.comparison.given:
            return self.metric.capitalize()
        part, measure = METRICS[self.metric]
        return f"{part.capitalize()} {measure.replace('top', 'top-')}"

    @property
    def cost(self) -> CostKind:
        """The horizontal axis of plots; of given results the first that there is of those asked."""
        names = (self.options.cost, *self.options.costs, *self.comparison.costs)
        known = (
            name
            for name in names
            if any(row.variant.cost(name) is not None for row in self.plotted)
        )
        default = self.options.cost
        return cost_kind(next(known, default) if self.comparison.given else default)

    @property
    def plotted(self) -> tuple[AnalysedVariant, ...]:
        """The variants of all sections that have a score, each once.

        The reference is the first, unless it has none.
        """
        rows: dict[str, AnalysedVariant] = {}
        for section in self.sections:
            for row in section.variants:
                if row.mean is not None:
                    rows.setdefault(row.variant.key, row)
        return tuple(rows.values())

    @property
    def losses(self) -> Mapping[str, float | None]:
        """What each row of the network loses by the edit of a per-row design, in points."""
        if self.comparison.design != "per-row":
            return {}
        losses: dict[str, float | None] = {}
        for row in self.sections[0].variants[1:]:
            loss = -row.delta.mean if row.delta and row.delta.mean is not None else None
            losses |= {level["row"]: loss for level in row.variant.levels}
        return losses if any(loss is not None for loss in losses.values()) else {}


def analyse(comparison: Comparison, options: ReportOptions | None = None) -> AnalysedComparison:
    """Compare every variant with the reference, and say what that means.

    Untested ones have their validation score in place of the metric's, and are not compared: the
    scores by which some were selected are optimistic for those. Those without validation images
    have their test score in place of a validation score.
    """
    chosen = options or ReportOptions()
    metric = chosen.metric.replace("test", "val") if comparison.untested else chosen.metric
    if not comparison.validated:
        metric = metric.replace("val", "test")
    if comparison.given:
        metric = "score"
        if chosen.interval == "both":
            raise InputError(
                'interval = "both": needs the result of each image, which results of runs that '
                "were trained elsewhere have not"
            )
    sections = [_section(comparison, comparison.raw, metric, chosen)]
    trials = _trial_ranks(comparison)
    said = rank_lines(comparison, trials, "val_top1", of="trial")
    sections[0] = replace(sections[0], method=(*sections[0].method, *said))
    if comparison.iso:
        sections.append(_section(comparison, comparison.iso, metric, chosen))
    return AnalysedComparison(
        comparison=comparison,
        options=chosen,
        metric=metric,
        sections=tuple(sections),
        effects=_effects(comparison, sections[0]),
        trial_ranks=trials.correlations,
    )


def _trial_ranks(comparison: Comparison) -> Ranks:
    """Return how costs and scores rank the trials of a search by their validation top-1."""
    if not comparison.trials:
        return Ranks(0, {}, {})
    rows = [
        AnalysedVariant(
            variant=trial,
            reference=comparison.reference,
            cost_base=None,
            scores=trial.scores("val_top1"),
            delta=None,
        )
        for trial in comparison.trials
    ]
    return ranks_of(comparison, rows)


def _section(
    comparison: Comparison,
    variants: Sequence[ComparedVariant],
    metric: str,
    options: ReportOptions,
) -> Section:
    asked = SectionStatistics(
        matters=options.matters or comparison.matters, interval=options.interval
    )
    analysed, statistics = analyse_variants(comparison, variants, metric, asked)
    ranks = ranks_of(comparison, analysed)
    rows = options.rows_of(analysed)
    equal_cost = variants == comparison.iso
    rescaled = equal_cost or not comparison.iso  # with `raw = false` there are no others
    return Section(
        equal_cost=equal_cost,
        variants=analysed,
        rows=rows,
        columns=options.columns_of(analysed, comparison.costs),
        statistics=statistics,
        conclusion=conclusion(rows, statistics, metric),
        method=(
            *nearness_lines(analysed, comparison.made_equal if rescaled else None),
            *statistics_lines(comparison, analysed, statistics),
            *rank_lines(comparison, ranks, metric),
        ),
        ranks=ranks.correlations,
    )


def _effects(comparison: Comparison, section: Section) -> Effects | None:
    """Return main effects, and the interactions where the design holds all combinations."""
    if comparison.design not in ("factorial", "fractional"):
        return None
    from fuseablate import stats
    from fuseablate.stats.effects import common_seeds

    variants = section.variants
    if diverged := [row.variant.name for row in variants if row.variant.diverged]:
        return Effects(note=f"No effects: runs of {', '.join(diverged)} diverged.")
    scores = {row.variant.key: row.scores for row in variants}
    effects = stats.effects(
        scores,
        {row.variant.key: row.variant.levels for row in variants},
        interactions=comparison.design == "factorial",
        looks=comparison.looks,
    )
    if not effects:
        return Effects(
            note="No effects: they need two seeds, the same for all variants, and a spread "
            "between them."
        )
    common, most = len(common_seeds(list(scores.values()))), max(map(len, scores.values()))
    by = f", by the {common} that all variants have" if common < most else ""
    return Effects(
        deltas=tuple(
            stats.Delta(
                " with ".join(map("=".join, zip(effect.factors, effect.levels, strict=True))),
                0, effect.mean, effect.robust, effect.alike, section.statistics.matters,
            )
            for effect in effects
        ),
        note="A main effect: the mean over the other factors' levels. Two together, an "
        "interaction: how much larger the effect of one is where the other is present. "
        f"Simultaneous by Bonferroni; they cover the error of the seeds{by}.",
    )  # fmt: skip


def pareto_front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Return the names of the points (cost, score) that no other one beats.

    One beats another that is better in one of the two and no worse in the other.
    """
    return {
        name
        for name, (cost, score) in points.items()
        if not any(
            other != (cost, score) and other[0] <= cost and other[1] >= score
            for other in points.values()
        )
    }


def front_of(variants: Sequence[AnalysedVariant], cost: CostKind) -> set[str]:
    """Return the keys of the variants on the front of score against cost.

    One of which a run diverged is on none: the mean of the others says nothing of it.
    """
    return pareto_front({
        row.variant.key: (value, row.mean)
        for row in variants
        if (value := row.variant.cost(cost.name)) is not None
        and row.mean is not None
        and not row.variant.diverged
    })  # fmt: skip
