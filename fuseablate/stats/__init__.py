"""Whether a difference is real: simultaneous intervals, power, looks, and effects of factors.

Plain numbers in and out; scores are in percent, and higher is better.
"""

from __future__ import annotations

from fuseablate.stats.analysis import analyse_scores
from fuseablate.stats.deltas import BASES, Analysis, Basis, Delta
from fuseablate.stats.effects import effects
from fuseablate.stats.fit import Scores
from fuseablate.stats.images import widened
from fuseablate.stats.looks import analyse_looks, undecided
from fuseablate.stats.power import seeds_needed, smallest
from fuseablate.stats.ranks import LEAST_RANKED, RankCorrelation, rank_correlation

__all__ = [
    "BASES",
    "LEAST_RANKED",
    "Analysis",
    "Basis",
    "Delta",
    "RankCorrelation",
    "Scores",
    "analyse_looks",
    "analyse_scores",
    "effects",
    "rank_correlation",
    "seeds_needed",
    "smallest",
    "undecided",
    "widened",
]
