"""The work of a search: trials that are sampled as workers become free. Without torch.

A search sees the validation images alone: its runs do not read the test set.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from fuseablate.cost import spec_costs
from fuseablate.errors import InputError
from fuseablate.recipes import changes_of
from fuseablate.runs import Record, RunState
from fuseablate.space import Admission, Assignment, Space, identity_of, recipe_of, size_of
from fuseablate.spec import Spec
from fuseablate.studies.design import Variant, levels_of
from fuseablate.studies.driver import Driver
from fuseablate.studies.plan import Plan, PlannedRun
from fuseablate.studies.schema import Search
from fuseablate.studies.search.pruning import Pruning
from fuseablate.studies.search.sampler import LISTED, Proposal, Proposer, SpaceEndError
from fuseablate.studies.trials import Trials, number_of

TOP1 = "val top-1"  # the user attribute with that of each seed, None if NaN; not for a single one
CURVE = "curve"  # the user attribute with the curve of a first seed that was pruned
NETWORK = "network"
CHANGES = "changes"  # the user attribute with what a trial changes of the recipe, in words


def most_trials(search: Search, space: Space) -> int:
    """Return how many trials a search has, or may have in a finite space."""
    size = size_of(space)
    return min(search.n_trials or size or 0, size or search.n_trials or 0)


def seeds_of(trial: FrozenTrial) -> int:
    """Return how many seeds of a trial that is complete, or has failed, were trained."""
    return len(trial.user_attrs.get(TOP1, (None,)))


@dataclass
class _Trial:
    """A trial on its way."""

    number: int
    variant: Variant
    runs: tuple[PlannedRun, ...]  # one for each seed
    top1: dict[int, float | None] = field(default_factory=dict)  # by seed; None: it diverged
    curve: Sequence[float] = ()  # of the first seed, where trials are pruned
    ended: bool = False  # whether it has been filed


class SearchWork:
    """Samples trials up to the total, and files their means over the seeds.

    Where seeds may be saved (pruning, `first_seed_only`), a trial's other seeds wait for its
    first; else they are trained at once. A trial with a seed that diverges has failed.
    """

    def __init__(
        self,
        driver: Driver,
        search: Search,
        space: Space,
        trials: Trials,
        name: str,
        *,
        called: str = "trial",
    ) -> None:
        """`name` is that of the Optuna study; a variant is `called` so, before its number."""
        self._driver, self._search, self._space, self.trials = driver, search, space, trials
        self._plan: Plan = driver.plan
        self._called = called
        self._total = most_trials(search, space)
        self.after = 0  # how many runs may be asked for when the search has ended
        base = self._plan.design.reference
        self._size = size = self._plan.data.image_size
        limits = search.limits(base.spec, size)
        self._admission = Admission(space, size, limits)
        earlier = trials.all()
        self._proposer = Proposer(search, space, self._admission, name, earlier)
        self._pruning = (
            Pruning(search.prune, self._plan.study.recipe.epochs, name)
            if search.prune != "none"
            else None
        )
        self._staged = search.first_seed_only or self._pruning is not None
        self._full: list[tuple[float, ...]] = []  # the values of trials with all their seeds
        self._by_run: dict[str, _Trial] = {}
        self._begun: dict[int, _Trial] = {}
        self._over = False
        # Trials that had ended come first: which seeds of the others may be saved depends on them.
        ended: list[PlannedRun] = []
        running: list[PlannedRun] = []
        for trial in earlier:
            runs = self._resumed(trial)
            (ended if trial.state.is_finished() else running).extend(runs)
            for run in runs:  # shown in the order of the trials
                driver.status_of(run)
        self._queue = deque([*ended, *running])
        driver.expect(self._queue)

    def next(self) -> PlannedRun | None:
        """Return the next run of a trial, or the first one of a new trial."""
        if not self._queue:
            # One trial at a time, so that the sampler knows of all that have ended by then; but
            # latencies are measured while no run is trained, and so for all free workers at once.
            if "latency" not in self._search.objectives:
                self._sample(min(1, self._room()))
            elif self._driver.idle:
                self._sample(self._room())
        self._driver.status.possible = self.possible + self.after
        return self._queue.popleft() if self._queue else None

    @property
    def possible(self) -> int:
        """How many runs may yet be asked for: of trials to begin, and of first seeds' others."""
        begun, seeds = len(self.trials), len(self._plan.study.seeds.each)
        trials = 0 if self._over else max(0, self._total - begun)
        active = [self._by_run[digest] for digest in self._driver.active if digest in self._by_run]
        firsts = [trial for trial in active if self._staged and not trial.top1]
        return (trials + len(firsts)) * seeds - len(firsts)

    def _room(self) -> int:
        """Return how many trials may begin now.

        An engine that stacks runs takes many times as many as it has workers. So many trials at
        once a sampler that learns would have to draw without a result of any.
        """
        free, workers = self._driver.engine.free, self._driver.workers
        if workers.stack == 1 or self._search.sampler in ("random", "grid"):
            return free
        active = {self._by_run[digest].number for digest in self._driver.active}
        return max(0, min(free, workers.count - len(active)))

    def epoch(self, run: PlannedRun, val_top1: Sequence[float]) -> bool:
        """Return whether a first seed is to be pruned."""
        trial = self._by_run[run.digest]
        if self._pruning is None or trial.ended or run is not trial.runs[0]:
            return False
        trial.curve = val_top1
        return self._pruning.epoch(trial.number, val_top1)

    def ended(self, run: PlannedRun, state: RunState, record: Record | None) -> None:
        """Take note of a run's validation top-1; a lost run may yet come, at the next start."""
        if state == "lost":
            return
        trial = self._by_run[run.digest]
        if record is not None:
            trial.top1[run.seed] = record.val.top1 if record.val else None
        if self._pruning and run is trial.runs[0]:
            curve = record.curves.val_top1 if record else trial.curve
            self._pruning.end(trial.number, curve, _ENDS[state])
        if not trial.ended:
            self._decide(trial, state)

    def variant(self, number: int) -> Variant:
        return self._begun[number].variant

    def digests(self, number: int) -> dict[int, str]:
        """Return the digests of a trial's runs by their seeds."""
        return {run.seed: run.digest for run in self._begun[number].runs}

    def _sample(self, count: int) -> None:
        """Begin so many trials, or as many as the total and the space allow.

        Latency as an objective is measured here, of all of them by turns and before any of them
        is trained: it is asked for only while no worker runs.
        """
        total = self._search.n_trials
        begun = len(self.trials)
        most = count if total is None else min(count, total - begun)
        proposals: list[Proposal] = []
        while not self._over and len(proposals) < most:
            try:
                proposals.append(self._proposer.propose(begun + len(proposals)))
            except SpaceEndError as end:
                ended = begun + len(proposals)
                if not ended:
                    raise
                self._over = True
                self._driver.note(f"the search ends after {ended:,} {self._called}s: {end}")
        timed: Sequence[float | None] = [None] * len(proposals)
        if proposals and "latency" in self._search.objectives:
            timed = self._driver.engine.latencies(
                [proposal.spec for proposal in proposals], self._plan.data.image_size
            )
        for proposal, latency in zip(proposals, timed, strict=True):
            self._begin(proposal, latency)

    def _begin(self, proposal: Proposal, latency: float | None) -> None:
        number = len(self.trials)
        variant = self._variant(number, proposal.params, proposal.spec)
        attributes: dict[str, Any] = {
            **self._plan.attributes(variant),
            NETWORK: proposal.network,
            CHANGES: changes_of(variant.recipe, self._plan.study.recipe),
            **proposal.refused,
            **({LISTED: proposal.listed} if proposal.listed else {}),
            **({} if latency is None else {"latency": latency}),
            **spec_costs(variant.spec, self._search.cost_objectives, self._size),
        }
        self.trials.start(variant.name, proposal.params, attributes, proposal.system)
        runs = self._added(number, variant).runs[: 1 if self._staged else None]
        self._queue += runs
        for run in runs:  # they are waiting from now on
            self._driver.status_of(run)

    def _resumed(self, earlier: FrozenTrial) -> Sequence[PlannedRun]:
        """Take in a trial of an earlier process, and return its runs that are to be looked at."""
        attributes, number = earlier.user_attrs, number_of(earlier)
        base = self._space.spec
        # As it was edited then, whatever of an assignment is left out today.
        spec = base.edit_sampled(*attributes["edits"].split()[len(base.edits) :])
        if identity_of(self._space, earlier.params, spec, self._size) != attributes[NETWORK]:
            raise InputError(
                f"{self._plan.study.path}: {self._called} {number} "
                f"({attributes['edits'] or 'no edits'}) is not the network any more that was "
                "trained: the table or a plug-in has changed since; take the change back, or "
                "search anew under another name of the file"
            )
        self._admission.remember(earlier.params, attributes[NETWORK])
        variant = self._variant(number, earlier.params, spec)
        trial = self._added(number, variant)
        trial.ended = earlier.state.is_finished()
        if not trial.ended:
            return trial.runs[: 1 if self._staged else None]
        if earlier.state == TrialState.PRUNED:
            trial.curve = attributes[CURVE]
            status = self._driver.status_of(trial.runs[0])
            status.state, status.epoch = "pruned", len(trial.curve)
            status.val_top1 = trial.curve[-1]
            self.ended(trial.runs[0], "pruned", None)
            return ()
        trained = trial.runs[: seeds_of(earlier)]
        if earlier.state == TrialState.FAIL and 1 < len(trained) < len(trial.runs):
            # Those after the first were begun together, and have ended in any order.
            more = [run for run in trial.runs[1:] if run.record(self._driver.store)]
            return (trial.runs[0], *more)
        if earlier.values and len(trained) == len(trial.runs):
            self._full.append(self._signed(earlier.values))
        return trained

    def _variant(self, number: int, params: Assignment, spec: Spec) -> Variant:
        levels = levels_of(self._space.parameters, params)
        recipe = recipe_of(self._space, params) or self._plan.study.recipe
        return Variant((f"{self._called} {number}",), (levels,), spec, recipe)

    def _added(self, number: int, variant: Variant) -> _Trial:
        runs = self._plan.planned([variant], self._plan.study.seeds.each, tested=False)
        trial = self._begun[number] = _Trial(number, variant, runs)
        self._by_run |= {run.digest: trial for run in runs}
        if self._pruning:
            self._pruning.begin()
        return trial

    def _decide(self, trial: _Trial, state: RunState) -> None:
        """End a trial whose result is known, or let its other seeds be trained."""
        top1 = [trial.top1[run.seed] for run in trial.runs if run.seed in trial.top1]
        values = [value for value in top1 if value is not None]
        attributes = {TOP1: top1} if len(top1) > 1 else {}
        every_seed = len(top1) == len(trial.runs)
        if state == "pruned":
            self._finish(trial, TrialState.PRUNED, None, {CURVE: list(trial.curve)})
        elif len(values) < len(top1) and (self._staged or every_seed):
            # A seed has diverged. Where all were begun at once, the others are awaited; else those
            # that wait are not begun.
            waiting = [run for run in self._queue if self._by_run[run.digest] is not trial]
            self._queue = deque(waiting)
            self._finish(trial, TrialState.FAIL, None, attributes)
        elif every_seed:
            result = self._values(trial, statistics.mean(values))
            self._full.append(self._signed(result))
            self._finish(trial, TrialState.COMPLETE, result, attributes)
        elif self._staged and len(top1) == 1:
            result = self._values(trial, values[0])
            if self._search.first_seed_only and self._is_beaten(self._signed(result)):
                self._finish(trial, TrialState.COMPLETE, result, attributes)
            else:
                # Before the trials that wait: what is begun is brought to its end.
                self._queue.extendleft(reversed(trial.runs[1:]))

    def _finish(
        self,
        trial: _Trial,
        state: TrialState,
        values: Sequence[float] | None,
        attributes: Mapping[str, Any],
    ) -> None:
        trial.ended = True
        self.trials.finish(trial.variant.name, state, values, attributes)
        self._proposer.tell(trial.number, state, values)

    def _values(self, trial: _Trial, top1: float) -> list[float]:
        costs = self.trials[trial.variant.name].user_attrs
        return [top1 if name == "accuracy" else costs[name] for name in self._search.objectives]

    def _signed(self, values: Sequence[float]) -> tuple[float, ...]:
        """Return the values with more meaning better in all of them."""
        pairs = zip(self._search.objectives, values, strict=True)
        return tuple(value if name == "accuracy" else -value for name, value in pairs)

    def _is_beaten(self, values: tuple[float, ...]) -> bool:
        """Whether a trial with these values would be no finalist by what is known."""
        if len(values) > 1:
            return any(
                all(a >= b for a, b in zip(other, values, strict=True)) for other in self._full
            )
        best = self._search.finalists.best or 1
        return sum(other >= values for other in self._full) >= best


_ENDS: Mapping[RunState, TrialState] = {
    "done": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
}
