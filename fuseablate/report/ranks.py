"""Whether costs, zero-cost scores and other studies rank variants as accuracy does; no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fuseablate.cost import cost_kind
from fuseablate.io.terminal import counted
from fuseablate.report.comparison import Comparison
from fuseablate.report.differences import AnalysedVariant
from fuseablate.runs import networks_of

if TYPE_CHECKING:
    from fuseablate.stats import RankCorrelation

RANKED = ("params", "macs", "activations", "cycles", "traffic")  # costs that are always beside


class Ranks(NamedTuple):
    """How costs, scores and other studies rank variants, beside the variants' mean accuracy."""

    variants: int
    """How many are ranked."""
    correlations: Mapping[str, RankCorrelation]
    """By what ranks them; empty where the variants are too few to tell."""
    too_few: Mapping[str, int]
    """How many of the variants' networks each other study holds that holds too few to tell."""


def ranks_of(comparison: Comparison, variants: Sequence[AnalysedVariant]) -> Ranks:
    """Return how each cost, score and other study ranks the variants.

    Those that have a result and of which no run diverged.
    """
    from fuseablate.stats import LEAST_RANKED, rank_correlation

    if comparison.untested:
        return Ranks(0, {}, {})
    rows = [row for row in variants if row.mean is not None and not row.variant.diverged]
    # Results that were given have no runs, and nothing else names their networks.
    networks = networks_of(row.variant.runs[0] for row in rows if row.variant.runs)
    ranked: dict[str, Sequence[float | None]] = {
        cost_kind(name).word: [row.variant.cost(name) for row in rows] for name in RANKED
    }
    ranked |= _scores(comparison, networks)
    ranked = {name: values for name, values in ranked.items() if None not in values}
    # Another study tells networks apart, and not the recipes that a network has here.
    once = {network for network, count in Counter(networks).items() if count == 1}
    ranked |= {
        name: [reached.get(network) if network in once else None for network in networks]
        for name, reached in comparison.predictors.items()
    }
    correlations, too_few = {}, {}
    for name, values in ranked.items():
        pairs = [
            (value, row.mean)
            for value, row in zip(values, rows, strict=True)
            if value is not None and row.mean is not None
        ]
        if len(pairs) >= LEAST_RANKED:
            some = "" if len(pairs) == len(rows) else f", {len(pairs)} of them"
            correlations[f"{name}{some}"] = rank_correlation(*zip(*pairs, strict=True))
        elif name in comparison.predictors:
            too_few[name] = len(pairs)
    judged = {name: ranks for name, ranks in correlations.items() if ranks}
    return Ranks(len(rows), judged, too_few)


def _scores(
    comparison: Comparison, networks: Sequence[str]
) -> Mapping[str, Sequence[float | None]]:
    if comparison.scores is None:
        return {}
    values = comparison.scores.values
    names = dict.fromkeys(name for of_network in values.values() for name in of_network)
    return {name: [values.get(network, {}).get(name) for network in networks] for name in names}


def rank_lines(comparison: Comparison, ranks: Ranks, metric: str, of: str = "variant") -> list[str]:
    """Return the lines that say the rank correlations, with their intervals, and what has none.

    of: what is ranked, a variant or a trial.
    """
    from fuseablate.stats import LEAST_RANKED

    few = [
        f"{name} holds {shared} of the networks here, too few to say how it ranks them: "
        f"{LEAST_RANKED} are needed."
        for name, shared in ranks.too_few.items()
    ]
    if not ranks.correlations:
        return few
    texts = [
        f"{name} {rank.value:+.2f}"
        + ("" if rank.low is None else f" [{rank.low:+.2f}, {rank.high:+.2f}]")
        for name, rank in ranks.correlations.items()
    ]
    scores = comparison.scores
    how = (
        f" Zero-cost scores are of untrained networks, seed {scores.seed}, "
        f"{counted(scores.batches, 'batch', 'batches')} of {scores.images} images."
        if scores
        and any(name in ranks.correlations for known in scores.values.values() for name in known)
        else ""
    )
    return [
        f"Rank correlation (Spearman's, 95 % interval) with {metric.replace('_top', ' top-')} over "
        f"{counted(ranks.variants, of)}: {', '.join(texts)}.{how}",
        *few,
    ]
