"""Whether a difference is real: simultaneous intervals, power, and effects of factors.

Plain numbers in and out; scores are in percent, and higher is better.
"""

from __future__ import annotations

from fuseablate.stats.analysis import Analysis, Delta, Scores, analyse
from fuseablate.stats.effects import Effect, effects
from fuseablate.stats.power import seeds_needed

__all__ = ["Analysis", "Delta", "Effect", "Scores", "analyse", "effects", "seeds_needed"]
