"""Which jobs are trained together, as one network of several runs. Without torch."""

from __future__ import annotations

from collections.abc import Sequence

from fuseablate.engines.base import Job

# What all runs of a stack share of their recipes; an average they have all or none.
ALIKE_IN_A_STACK = ("batch_size", "precision")
# Of a device's memory: the rest is its context, and what its allocator keeps and cannot use.
USABLE = 0.7


class Stacking:
    """How many runs a worker trains as one network: at most so many, as its memory allows."""

    def __init__(self, most: int = 1, memory: int | None = None) -> None:
        """Let `most` runs be one; fewer where `memory`, the bytes a worker has, holds no more."""
        self.most, self._memory = most, memory

    def chosen(self, first: Job, others: Sequence[Job]) -> list[Job]:
        """Return those of the others that are to be trained with the first one."""
        room = self.most
        if self._memory is not None and first.memory:
            room = min(room, int(USABLE * self._memory) // first.memory)
        kind = _kind(first)
        alike = (job for job in others if _kind(job) == kind)
        return [job for job, _ in zip(alike, range(room - 1), strict=False)]

    def halve(self, runs: int) -> None:
        """Let at most half of so many runs be one from now on; no more than before."""
        self.most = min(self.most, max(1, runs // 2))


def _kind(job: Job) -> tuple[object, ...]:
    recipe = [job.recipe.get(key) for key in ALIKE_IN_A_STACK]
    averaged = job.recipe.get("ema") is not None
    return job.spec, recipe, averaged, job.data, job.runs, job.threads
