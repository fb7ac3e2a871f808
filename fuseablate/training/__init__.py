"""Training: one run from its seed to its record.

In come a spec, a recipe, data and a seed; out comes the `Record`, in the store with the weights.
What a run has done is in its checkpoint, so that one that was killed goes on from there.
"""

from fuseablate.training.loop import Order, train, train_stack
from fuseablate.training.progress import (
    Progress,
    QuietProgress,
    SilentProgress,
    StoppedError,
    suited_progress,
)

__all__ = [
    "Order",
    "Progress",
    "QuietProgress",
    "SilentProgress",
    "StoppedError",
    "suited_progress",
    "train",
    "train_stack",
]
