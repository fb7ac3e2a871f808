"""Training: one run from its seed to its record."""

from fuseablate.training.loop import train
from fuseablate.training.progress import Plain, Progress, Silent, suited_progress

__all__ = ["Plain", "Progress", "Silent", "suited_progress", "train"]
