"""The search design: trials that are sampled, ended early or late, and the finalists.

In come the driver of a study, its `[search]` table and Optuna's storage; out comes its outcome, the
finalists trained on fresh seeds. `sampler` proposes what a trial tries, `scheduler` says which runs
are due, `pruning` which trial goes on, `summary` what is told of all of them.
"""

from __future__ import annotations

from fuseablate.studies.search.sampler import random_assignment, seed_of
from fuseablate.studies.search.scheduler import most_trials
from fuseablate.studies.search.search import run_search

__all__ = ["most_trials", "random_assignment", "run_search", "seed_of"]
