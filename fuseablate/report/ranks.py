"""Whether costs, zero-cost scores and other studies rank variants as accuracy does; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fuseablate.cost import cost_kind
from fuseablate.io.terminal import counted
from fuseablate.report.comparison import Comparison
from fuseablate.report.differences import AnalysedVariant
from fuseablate.runs import networks_of

if TYPE_CHECKING:
    from fuseablate.stats import RankCorrelation

RANKED = ("params", "macs", "activations", "cycles", "traffic")  # costs that are always beside


def rank_correlations(
    comparison: Comparison, variants: Sequence[AnalysedVariant]
) -> dict[str, RankCorrelation]:
    """Return how each cost, score and other study ranks the variants, beside their mean accuracy.

    Those that have a result and of which no run diverged; empty where they are too few to tell.
    """
    from fuseablate.stats import LEAST_RANKED, rank_correlation

    rows = [row for row in variants if row.mean is not None and not row.variant.diverged]
    if len(rows) < LEAST_RANKED or comparison.untested:
        return {}
    means = [row.mean or 0.0 for row in rows]
    ranked: dict[str, Sequence[float | None]] = {
        cost_kind(name).word: [row.variant.cost(name) for row in rows] for name in RANKED
    }
    # Results that were given have no runs, and nothing else names their networks.
    networks = networks_of(row.variant.runs[0] for row in rows if row.variant.runs)
    ranked |= _scores(comparison, networks)
    judged = {
        name: rank_correlation([value for value in values if value is not None], means)
        for name, values in ranked.items()
        if None not in values
    }
    for name, reached in comparison.predictors.items():
        pairs = [
            (reached[network], mean)
            for network, mean in zip(networks, means, strict=True)
            if network in reached
        ]
        if len(pairs) >= LEAST_RANKED:
            shared = "" if len(pairs) == len(rows) else f", {len(pairs)} of them"
            judged[f"{name}{shared}"] = rank_correlation(*zip(*pairs, strict=True))
    return {name: ranks for name, ranks in judged.items() if ranks}


def _scores(
    comparison: Comparison, networks: Sequence[str]
) -> Mapping[str, Sequence[float | None]]:
    if comparison.scores is None:
        return {}
    values = comparison.scores.values
    names = dict.fromkeys(name for of_network in values.values() for name in of_network)
    return {name: [values.get(network, {}).get(name) for network in networks] for name in names}


def rank_lines(
    comparison: Comparison, ranks: Mapping[str, RankCorrelation], metric: str, variants: int
) -> list[str]:
    """Return one line that says the rank correlations, with their intervals; none without any."""
    if not ranks:
        return []
    texts = [
        f"{name} {rank.value:+.2f}"
        + ("" if rank.low is None else f" [{rank.low:+.2f}, {rank.high:+.2f}]")
        for name, rank in ranks.items()
    ]
    scores = comparison.scores
    how = (
        f" Zero-cost scores are of untrained networks, seed {scores.seed}, "
        f"{counted(scores.batches, 'batch', 'batches')} of {scores.images} images."
        if scores and any(name in ranks for of in scores.values.values() for name in of)
        else ""
    )
    return [
        f"Rank correlation (Spearman's, 95 % interval) with {metric.replace('_top', ' top-')} over "
        f"{counted(variants, 'variant')}: {', '.join(texts)}.{how}"
    ]
