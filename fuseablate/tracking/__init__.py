"""W&B tracking of a study: all of wandb in a process of its own. The package is without torch.

The parent holds the latest word on each run and hands it down a pipe (`tracker`); the tracker
process (`process`, `session`) alone imports wandb. A journal in the study's folder says what
W&B has (`delivered`); all else is replayed from the records of the run store.
"""

from fuseablate.tracking.login import Mode, resolve_mode
from fuseablate.tracking.tracker import TrackedRun, Tracker

__all__ = ["Mode", "TrackedRun", "Tracker", "resolve_mode"]
