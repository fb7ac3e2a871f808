"""What the data of a comparison support, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from fuseablate.report.judged import Judged
from fuseablate.report.model import Variant
from fuseablate.terminal import change

MOST = 6  # variants that are spoken of one by one
# Why nothing is claimed of a variant of no seed, of one, of more.
SILENT = ("no result, no claim", "one seed, no claim", "no spread between seeds, no claim")
MOST_SEEDS = 1000  # beyond it a range has no end that means anything


def statistics_lines(judged: Judged) -> list[str]:
    """Return how the intervals were made, and what the study could have seen; or why neither."""
    analysis = judged.analysis
    if analysis is None:
        seeds = len(judged.variants[0].finished)
        many = "one seed" if seeds == 1 else f"{seeds} seeds"
        said = (
            "No finalist has been trained yet, so that nothing of the search is compared."
            if judged.comparison.search
            else f"One variant, {many}: there is nothing to compare it with."
        )
        return [said if seeds else "No run has a result."]
    lines = [analysis.why]
    if analysis.sd is not None and judged.smallest is not None:
        lines.append(
            f"Standard deviation of a run: {analysis.sd:.2f} points; with {analysis.seeds} seeds "
            f"this study sees a true difference of {judged.smallest:.2f} points in 4 of 5 cases."
        )
    sampled = [d for d in analysis.deltas if d.image_sd is not None and d.low is not None]
    if sampled:
        most = max(d.image_sd for d in sampled if d.image_sd is not None)
        labels = {variant.key: variant.short for variant in judged.variants}
        limited = [labels[d.variant] for d in sampled if d.limit == "images"]
        what = (
            f"more than the seeds do for {', '.join(limited)}"
            if 0 < len(limited) < len(sampled)
            else "more than the seeds do"
            if limited
            else "less than the seeds do, which limit the claims"
        )
        lines.append(
            f"The test set is a sample too: its images add a standard error of up to {most:.2f} "
            f"points to a difference, {what}."
        )
    return lines


def conclusion(judged: Judged) -> str:
    """Return one sentence on what the data support; empty where nothing is compared."""
    analysis = judged.analysis
    if analysis is None or analysis.method not in ("dunnett", "welch-holm"):
        return ""
    from fuseablate.stats import seeds_needed

    said, unclear = [], []
    silent: dict[str, list[str]] = {}
    for variant in judged.variants[1:]:
        delta = judged.delta(variant)
        if delta is None or delta.low is None or delta.high is None or delta.mean is None:
            seeds = min(delta.n if delta else 0, 2)
            silent.setdefault(SILENT[seeds], []).append(variant.short)
            continue
        if delta.verdict == "unclear":
            unclear.append((variant, abs(delta.mean)))
        else:
            reach = max(delta.high - delta.mean, delta.mean - delta.low)
            turn = "loses" if delta.verdict == "worse" else "gains"
            said.append(
                f"{variant.short}{_price(variant, judged.variants[0])} {turn} "
                f"{abs(delta.mean):.1f} ± {reach:.1f} points"
            )
    sentences = []
    if said:
        more = f"; {len(said) - MOST} more differ" if len(said) > MOST else ""
        sentences.append("; ".join(said[:MOST]) + more + ".")
    if unclear:
        names = _names([variant.short for variant, _ in unclear])
        needed = seeds_needed(analysis, max(each for _, each in unclear))
        about = (
            f"; for the largest of these differences about {_range(needed)} seeds would be needed"
            if needed
            else ""
        )
        sentences.append(f"{names}: not told from noise at {analysis.seeds} seeds{about}.")
    sentences += [f"{_names(names)}: {why}." for why, names in silent.items()]
    return " ".join(sentences)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def _range(needed: tuple[int, int]) -> str:
    low, high = needed
    if high >= MOST_SEEDS:
        return f"{low} or more"
    return f"{low}" if low == high else f"{low} to {high}"


def _price(variant: Variant, reference: Variant) -> str:
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
