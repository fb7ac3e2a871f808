"""What the data of a comparison support, in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fuseablate.cost import COSTS, SUMMARY
from fuseablate.io.terminal import change
from fuseablate.report.comparison import ComparedVariant, Comparison
from fuseablate.report.differences import AnalysedVariant, SectionStatistics

if TYPE_CHECKING:
    from fuseablate.stats import Basis

T = TypeVar("T")

MOST_NAMES = 3  # variants that are named one by one
NEARLY = 0.01  # of a cost: what is nearer to it counts as equal
NEAR_CHANCE = 0.02  # of the way from guessing to knowing; below it a network has hardly learnt
# Why nothing is claimed of a variant of no seed, of one, of more.
NO_CLAIM = ("no result, no claim", "one seed, no claim", "no spread between seeds, no claim")
WHEN: Mapping[Basis, str] = {
    "alike spreads": "if spreads are alike",
    "any spreads": "whatever they are",
}


def statistics_lines(
    comparison: Comparison, variants: Sequence[AnalysedVariant], statistics: SectionStatistics
) -> list[str]:
    """Return how the intervals were made, and what the study could have seen; or why neither."""
    if comparison.untested:
        return []
    if statistics.analysis is None:
        seeds = variants[0].variant.results
        if not seeds:
            return ["No run has a result."]
        if comparison.search:
            return ["No finalist has been trained yet, so nothing of the search is compared."]
        count = "one seed" if seeds == 1 else f"{seeds} seeds"
        return [f"One variant, {count}: there is nothing to compare it with."]
    return [statistics.analysis.why, *_power_lines(statistics), *_image_lines(variants, statistics)]


def nearness_lines(variants: Sequence[AnalysedVariant], made_equal: str | None) -> list[str]:
    """Return which of variants that were rescaled are not near the reference's cost."""
    if made_equal is None:
        return []
    said = []
    target = variants[0].variant.cost(made_equal)
    for row in variants[1:]:
        cost = row.variant.cost(made_equal)
        if cost and target and abs(cost - target) > NEARLY * target:
            said.append(f"{row.variant.name} {change(cost, target)}")
    if not said:
        return []
    return [f"Not every cost could be made equal; as near as channels come: {', '.join(said)}."]


def _image_lines(variants: Sequence[AnalysedVariant], statistics: SectionStatistics) -> list[str]:
    """Return what the test set, as a sample of images, adds to the error of the seeds."""
    sampled = [d for d in statistics.deltas if d.image_se is not None and d.low is not None]
    if not sampled:
        return []
    labels = {row.variant.key: row.variant.name for row in variants}
    limited = [labels[delta.variant] for delta in sampled if delta.limit == "images"]
    more = "more than the seeds do" if limited else "less than the seeds do"
    if 0 < len(limited) < len(sampled):
        more += f" for {', '.join(limited)}"
    left_out = (
        "the intervals cover both"
        if statistics.interval == "both"
        else "the intervals leave that out (--interval both)"
    )
    return [
        f"Standard error of a difference: {_span(d.seed_se for d in sampled)} points from the "
        f"seeds. The test set is a sample too: its images add "
        f"{_span(d.image_se for d in sampled)}, {more}; {left_out}."
    ]


def _span(errors: Iterable[float | None]) -> str:
    known = [error for error in errors if error is not None]
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return low if low == high else f"{low} to {high}"


def _power_lines(statistics: SectionStatistics) -> list[str]:
    """Return the spread of a run, what the study sees by it, and what it would take."""
    analysis, matters = statistics.analysis, statistics.matters
    if analysis is None or not analysis.sd or not statistics.smallest:
        return []
    left = " that seeds do not explain" if analysis.blocked else ""
    spread = f"Standard deviation of a run{left}: {analysis.sd:.2f} points"
    own = [sd for sd in (analysis.own or {}).values() if sd]
    if len(own) > 2 and max(own) > 1.5 * min(own):
        spread += f" (of each variant, as it is used: {min(own):.2f} to {max(own):.2f})"
    sees = _by_basis(statistics.smallest, lambda size: f"{size:.2f} points")
    needs = _by_basis(statistics.needed, lambda seeds: f"about {_range(seeds)} seeds of each")
    extra = not analysis.blocked and analysis.base != analysis.seeds
    base = f", {analysis.base} of the reference," if extra else ""
    alone = " by the seeds' error alone" if statistics.interval == "both" else ""
    return [
        f"{spread}. At {analysis.seeds} seeds{base} a true difference is seen in 4 of 5 "
        f"cases{alone} from {sees}; the {points(matters)} that matter{'s' * (matters == 1)} would "
        f"need {needs}."
    ]


def _by_basis(values: Mapping[Basis, T], text: Callable[[T], str]) -> str:
    """Return what holds if spreads are alike and whatever they are; once where both are one."""
    texts = {basis: text(value) for basis, value in values.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{part} {WHEN[basis]}" for basis, part in texts.items())


def conclusion(
    variants: Sequence[AnalysedVariant], statistics: SectionStatistics, metric: str
) -> str:
    """Return in a few sentences what the data support; empty where nothing is compared.

    variants: those that are shown, the reference first.
    """
    return " ".join(
        filter(None, (_findings(variants, statistics), *_near_chance(variants, metric)))
    )


def _near_chance(variants: Sequence[AnalysedVariant], metric: str) -> list[str]:
    """Name the variants that are hardly better than guessing, whose differences say little."""
    near: dict[float, list[str]] = {}
    for row in variants:
        if row.mean is None or not row.variant.runs:
            continue
        chance = min(100.0, 100 * int(metric[-1]) / row.variant.runs[0].spec["classes"])
        if row.mean <= chance + NEAR_CHANCE * (100 - chance):
            near.setdefault(chance, []).append(row.variant.name)
    return [f"Near chance ({chance:.1f} %): {_names(names)}." for chance, names in near.items()]


def _findings(variants: Sequence[AnalysedVariant], statistics: SectionStatistics) -> str:
    no_claim: dict[str, list[str]] = {}
    for row in variants[1:]:
        if row.variant.diverged:
            no_claim.setdefault(f"no verdict, {row.variant.diverged}", []).append(row.variant.name)
    if statistics.analysis is None or statistics.analysis.method != "intervals":
        return " ".join(_named_with_reason(no_claim))
    claims: list[tuple[str, float, str]] = []  # what it rests on, its size, the finding
    same: dict[str, list[str]] = {}
    unclear: dict[str, int] = {}  # and by how many seeds
    for row in variants[1:]:
        name, delta = row.variant.name, row.delta
        if row.variant.diverged:
            continue
        if delta is None or delta.interval is None or delta.mean is None:
            no_claim.setdefault(NO_CLAIM[min(delta.n if delta else 0, 2)], []).append(name)
        elif delta.verdict == "unclear":
            unclear[name] = delta.n
        elif delta.verdict == "same":
            same.setdefault(delta.holds, []).append(name)
        else:
            finding = (
                f"{name}{_price(row.variant, row.reference)} "
                f"{'loses' if delta.verdict == 'worse' else 'gains'} "
                f"{_size(abs(delta.mean), delta.interval.high - delta.mean)} points"
            )
            claims.append((delta.holds, abs(delta.mean), finding))
    sentences = _claimed(claims)
    matters = points(statistics.matters)
    for holds, names in sorted(same.items(), reverse=True):
        sentences.append(f"{holds.capitalize()}, the same to within {matters}: {_names(names)}.")
    if unclear:
        both = statistics.interval == "both"
        noise = "the noise of seeds and test images" if both else "seed noise"
        several = _range((min(unclear.values()), max(unclear.values())))
        sentences.append(
            f"Indistinguishable from {noise} at {several} seeds: {_names(list(unclear))}."
        )
    return " ".join([*sentences, *_named_with_reason(no_claim)])


def _size(size: float, reach: float) -> str:
    """Return a difference that is more than its interval reaches, in digits that show it."""
    for digits in (1, 2):
        ends = f"{size:.{digits}f}", f"{reach:.{digits}f}"
        if float(ends[0]) > float(ends[1]) > 0:
            return " ± ".join(ends)
    return f"{size:.3f} ± {reach:.3f}"


def _claimed(claims: Sequence[tuple[str, float, str]]) -> list[str]:
    """Return a few findings: those whatever the spreads first, and of them the largest."""
    named = sorted(claims, key=lambda claim: claim[:2], reverse=True)[:MOST_NAMES]
    sentences = [
        f"{holds.capitalize()}: {'; '.join(text for *_, text in several)}."
        for holds, several in itertools.groupby(named, lambda claim: claim[0])
    ]
    rest = len(claims) - len(named)
    return [*sentences, f"{rest} more differ{'s' * (rest == 1)}."] if rest else sentences


def _named_with_reason(no_claim: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{_names(names)}: {why}." for why, names in no_claim.items()]


def points(size: float) -> str:
    return f"{size:g} point{'s' * (size != 1)}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _range(needed: tuple[int, int]) -> str:
    from fuseablate.stats.power import MOST_SEEDS

    low, high = needed
    if high >= MOST_SEEDS:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def _price(variant: ComparedVariant, reference: ComparedVariant) -> str:
    """Return what a variant saves or adds of params and MACs, in percent where there were some.

    They cost the same only where both costs of both are known.
    """
    changes, unknown = [], False
    for kind in map(COSTS.__getitem__, SUMMARY):
        mine, base = (side.cost(kind.name) for side in (variant, reference))
        if mine is None or base is None:
            unknown = True
            continue
        percent = change(mine, base).lstrip("+-")
        if base == 0 != mine:
            changes.append(("adds", kind.counted(mine)))
        elif percent not in ("=", "0.0 %"):
            changes.append(("saves" if mine < base else "adds", f"{percent} of the {kind.unit}"))
    if not changes:
        return "" if unknown else ", at the same cost,"
    if len(changes) == 2 and changes[0][0] == changes[1][0]:
        return f" {changes[0][0]} {changes[0][1]} and {changes[1][1]}, and"
    return " " + ", ".join(f"{verb} {amount}" for verb, amount in changes) + ", and"
