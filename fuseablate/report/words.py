"""What the data of a comparison support, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fuseablate.io.terminal import change
from fuseablate.report.comparison import ComparedVariant
from fuseablate.report.judged import Judged

if TYPE_CHECKING:
    from fuseablate.stats import Basis

T = TypeVar("T")

MOST = 6  # variants that are spoken of one by one
# Why nothing is claimed of a variant of no seed, of one, of more.
SILENT = ("no result, no claim", "one seed, no claim", "no spread between seeds, no claim")
WHEN: Mapping[Basis, str] = {
    "alike spreads": "if spreads are alike",
    "any spreads": "whatever they are",
}
MOST_SEEDS = 1000  # beyond it a range has no end that means anything


def statistics_lines(judged: Judged) -> list[str]:
    """Return how the intervals were made, and what the study could have seen; or why neither."""
    analysis = judged.analysis
    if judged.comparison.untested:
        return []
    if analysis is None:
        seeds = len(judged.variants[0].finished)
        many = "one seed" if seeds == 1 else f"{seeds} seeds"
        said = (
            "No finalist has been trained yet, so that nothing of the search is compared."
            if judged.comparison.search
            else f"One variant, {many}: there is nothing to compare it with."
        )
        return [said if seeds else "No run has a result."]
    lines = [analysis.why, *_power_lines(judged)]
    sampled = [d for d in analysis.deltas if d.image_se is not None and d.low is not None]
    if sampled:
        labels = {variant.key: variant.short for variant in judged.variants}
        limited = [labels[d.variant] for d in sampled if d.limit == "images"]
        left = (
            "the intervals hold both"
            if judged.comparison.interval == "both"
            else "the intervals leave that out (--interval both)"
        )
        what = (
            f"more than the seeds do for {', '.join(limited)}"
            if 0 < len(limited) < len(sampled)
            else "more than the seeds do"
            if limited
            else "less than the seeds do"
        )
        lines.append(
            f"Standard error of a difference: {_span(d.seed_se for d in sampled)} points from the "
            f"seeds. The test set is a sample too: its images add "
            f"{_span(d.image_se for d in sampled)}, {what}; {left}."
        )
    return lines


def _span(errors: Iterable[float | None]) -> str:
    known = [error for error in errors if error is not None]
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return low if low == high else f"{low} to {high}"


def _power_lines(judged: Judged) -> list[str]:
    """Return the spread of a run, what the study sees by it, and what it would take."""
    analysis = judged.analysis
    if analysis is None or not analysis.sd or not judged.smallest:
        return []
    left = " that seeds do not explain" if analysis.blocked else ""
    spread = f"Standard deviation of a run{left}: {analysis.sd:.2f} points"
    own = [sd for sd in (analysis.own or {}).values() if sd]
    if len(own) > 2 and max(own) > 1.5 * min(own):
        spread += f" (a variant's own, as it is taken: {min(own):.2f} to {max(own):.2f})"
    sees = _by_basis(judged.smallest, lambda size: f"{size:.2f} points")
    needs = _by_basis(judged.needed, lambda seeds: f"about {_range(seeds)} seeds of each")
    matters = judged.comparison.matters
    extra = not analysis.blocked and analysis.base != analysis.seeds
    base = f", {analysis.base} of the reference," if extra else ""
    alone = " by the seeds' error alone" if judged.comparison.interval == "both" else ""
    return [
        f"{spread}. At {analysis.seeds} seeds{base} a true difference is seen in 4 of 5 "
        f"cases{alone} from {sees}; the {_points(matters)} that matter{'s' * (matters == 1)} would "
        f"need {needs}."
    ]


def _by_basis(found: Mapping[Basis, T], text: Callable[[T], str]) -> str:
    """Return what holds if spreads are alike and whatever they are; once where both are one."""
    texts = {basis: text(value) for basis, value in found.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{said} {WHEN[basis]}" for basis, said in texts.items())


def conclusion(judged: Judged) -> str:
    """Return in a few sentences what the data support; empty where nothing is compared."""
    analysis = judged.analysis
    silent: dict[str, list[str]] = {}
    for variant in judged.variants[1:]:
        if variant.diverged:
            silent.setdefault(f"no verdict, {variant.diverged}", []).append(variant.short)
    if analysis is None or analysis.method != "intervals":
        return " ".join(_told(silent))
    claims: dict[str, list[str]] = {}
    same: dict[str, list[str]] = {}
    unclear: dict[str, int] = {}  # and by how many seeds
    for variant in judged.variants[1:]:
        if variant.diverged:
            continue
        delta = judged.delta(variant)
        if delta is None or delta.interval is None or delta.mean is None:
            seeds = min(delta.n if delta else 0, 2)
            silent.setdefault(SILENT[seeds], []).append(variant.short)
        elif delta.verdict == "unclear":
            unclear[variant.short] = delta.n
        elif delta.verdict == "same":
            same.setdefault(delta.holds, []).append(variant.short)
        else:
            reach = delta.interval.high - delta.mean
            turn = "loses" if delta.verdict == "worse" else "gains"
            claims.setdefault(delta.holds, []).append(
                f"{variant.short}{_price(variant, judged.variants[0])} {turn} "
                f"{abs(delta.mean):.1f} ± {reach:.1f} points"
            )
    sentences = []
    for holds, said in sorted(claims.items(), reverse=True):  # whatever the spreads come first
        rest = len(said) - MOST
        more = f"; {rest} more differ{'s' * (rest == 1)}" if rest > 0 else ""
        sentences.append(f"{holds.capitalize()}: {'; '.join(said[:MOST])}{more}.")
    matters = _points(judged.comparison.matters)
    for holds, names in sorted(same.items(), reverse=True):
        sentences.append(f"{holds.capitalize()}, the same to within {matters}: {_names(names)}.")
    if unclear:
        both = judged.comparison.interval == "both"
        noise = "the noise of seeds and test images" if both else "seed noise"
        several = _range((min(unclear.values()), max(unclear.values())))
        sentences.append(
            f"Indistinguishable from {noise} at {several} seeds: {_names(list(unclear))}."
        )
    return " ".join([*sentences, *_told(silent)])


def _told(silent: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{_names(names)}: {why}." for why, names in silent.items()]


def _points(size: float) -> str:
    return f"{size:g} point{'s' * (size != 1)}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def _range(needed: tuple[int, int]) -> str:
    low, high = needed
    if high >= MOST_SEEDS:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def _price(variant: ComparedVariant, reference: ComparedVariant) -> str:
    """Return what a variant saves or adds of params and MACs, in percent."""
    said = []
    for what, mine, base in (
        ("params", variant.params, reference.params),
        ("MACs", variant.macs, reference.macs),
    ):
        if mine != base:
            verb = "saves" if mine < base else "adds"
            amount = change(mine, base).lstrip("+-")
            said.append((verb, f"{amount} of the {what}"))
    if not said:
        return ", at the same cost,"
    if len(said) == 2 and said[0][0] == said[1][0]:
        return f" {said[0][0]} {said[0][1]} and {said[1][1]}, and"
    return " " + ", ".join(f"{verb} {what}" for verb, what in said) + ", and"
