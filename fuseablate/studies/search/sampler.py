"""What a search tries next: assignments that Optuna samples, without torch.

Optuna samples in memory, from a copy of the trials so far. So an assignment that may not be
trained leaves no trial in the study's storage, and an ask reads no journal. TPE is told of it as
a trial that breaks a constraint: it would else take what was never seen for what is promising,
and draw the same unaffordable corner for ever.
"""

from __future__ import annotations

import hashlib
import random
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from fuseablate.errors import InputError
from fuseablate.space import (
    Admission,
    Space,
    Value,
    assignments,
    draw_assignments,
    is_active,
    size_of,
    unchanging,
)
from fuseablate.spec import Spec
from fuseablate.studies.schema import Search
from fuseablate.studies.trials import directions_of, distribution_of, distributions_of, number_of

MOST_REFUSED = 50  # refused samples in a row until something else than the sampler is asked
MOST_LISTED = 100_000  # assignments of a space that is listed and tried one by one
MOST_DRAWN = 10_000  # refused draws in a row from a space that cannot be listed: the search ends
STARTUP = 10  # trials that TPE draws at random, as Optuna has it
MOST_TAUGHT = 1000  # refused samples that TPE learns from; each makes its later asks slower
LISTED = "listed"  # the user attribute that says how much of the list has been looked at
TAUGHT = "taught"  # the system attribute with the refused samples that were told to TPE
_RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)  # states that TPE can learn from


class SpaceEndError(InputError):
    """The space holds nothing more that may be trained."""


@dataclass(frozen=True)
class Proposal:
    """An assignment to be tried."""

    params: Mapping[str, Value]
    spec: Spec
    network: str
    """The identity of its network, and recipe."""
    refused: Mapping[str, int]
    """How many samples were refused before it, by reason."""
    listed: int
    """How much of the list of the space has been looked at."""
    system: Mapping[str, Any]
    """What the sampler wants to find again with the trial of it."""


def random_assignment(space: Space, trial: optuna.Trial) -> dict[str, Value]:
    """Return what the trial's sampler suggests for the parameters that exist."""
    params: dict[str, Value] = {}
    for parameter in space.parameters:
        if is_active(parameter, params):
            params[parameter.name] = _suggest(trial, parameter.name, distribution_of(parameter))
    return params


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Value:
    match distribution:
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            value = trial.suggest_categorical(name, choices)
            assert value is not None
            return value
    raise AssertionError(f"a distribution that no parameter has: {distribution}")


def seed_of(*words: object) -> int:
    """Return a seed that depends on the words alone."""
    text = "/".join(map(str, words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


class Proposer:
    """Proposes assignments, one for each number of a trial.

    The draws of a trial depend on the study's `name`, the trial's number and the trials that
    ended before it: a search that was interrupted goes on as it would have gone on.
    """

    def __init__(
        self,
        search: Search,
        space: Space,
        admission: Admission,
        name: str,
        trials: Sequence[FrozenTrial],
    ) -> None:
        self._search, self._space, self._admission, self._name = search, space, admission, name
        self._size = size_of(space)
        if search.sampler == "grid" and self._size and self._size > MOST_LISTED:
            raise InputError(
                f'search.sampler = "grid": the space has {self._size:,} assignments, and at most '
                f'{MOST_LISTED:,} can be tried one by one; use "random"'
            )
        self._memory = optuna.create_study(
            study_name=name,
            directions=directions_of(search.objectives),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        self._numbers: dict[int, int] = {}  # in the memory, by the number of the trial
        self._results = 0  # trials that TPE can learn from
        self._taught = 0  # refused samples that it has learned from
        self._list: Iterator[dict[str, Value]] | None = None  # what is left of the listed space
        self._points = deque(unchanging(space, point) for point in search.points_to_evaluate)
        self._listed = max((trial.user_attrs.get(LISTED, 0) for trial in trials), default=0)
        for trial in trials:
            for params in trial.system_attrs.get(TAUGHT, ()):
                self._teach(params)
            self._numbers[number_of(trial)] = self._add(trial)
            self._results += trial.state in _RESULTS

    def propose(self, number: int) -> Proposal:
        """Return what the trial of that number is to try, or raise `SpaceEndError`.

        Points of the user's own come first, then the sampler is asked. Where it comes up with
        `MOST_REFUSED` samples in a row that may not be trained, the space itself is gone through,
        so that a search ends only where the space does, and not where its sampler is stuck.
        """
        # A sampler of its own for each trial: its draws do not depend on how many were drawn
        # before it in this process, and so not on when the search was interrupted.
        seed = seed_of(self._name, number)
        system: dict[str, Any] = {}
        if self._search.sampler == "nsga2":
            # The first ask of a generation sees the parents in another order than later asks do;
            # an ask that is thrown away makes this one a later ask in every process.
            self._memory.sampler = self._sampler(seed)
            _, place = self._from_sampler()
            system = self._system_of(place)
            self._memory.tell(place, state=TrialState.FAIL)
        self._memory.sampler = self._sampler(seed)
        refused: Counter[str] = Counter()
        taught: list[dict[str, Value]] = []
        while self._points:
            point = self._points.popleft()
            verdict = self._admission.admit(point)
            if not isinstance(verdict, str):  # else it has been tried
                self._numbers[number] = self._begun(point, system)
                return self._proposal(point, verdict, refused, system, taught)
        if self._search.sampler != "grid":
            while refused.total() < MOST_REFUSED:
                params, place = self._from_sampler()
                system = self._system_of(place)
                verdict = self._admission.admit(params)
                if not isinstance(verdict, str):
                    self._numbers[number] = place
                    return self._proposal(params, verdict, refused, system, taught)
                refused[verdict] += 1
                self._memory.tell(place, state=TrialState.FAIL)
                # A repeated one may be good, as it was the first time: no corner to keep away from.
                if verdict != "repeated" and self._learns():
                    self._teach(params)
                    taught.append(params)
        for other in self._others(seed):
            verdict = self._admission.admit(other)
            if not isinstance(verdict, str):
                self._numbers[number] = self._begun(other, system)
                return self._proposal(other, verdict, refused, system, taught)
            refused[verdict] += 1
        raise SpaceEndError(f"{self._end(refused)}; {self._admission.holds()}")

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the sampler know what became of a trial."""
        self._memory.tell(self._numbers[number], values, state=state)
        self._results += state in _RESULTS

    def _from_sampler(self) -> tuple[dict[str, Value], int]:
        trial = self._memory.ask()
        return random_assignment(self._space, trial), trial.number

    def _system_of(self, place: int) -> dict[str, Any]:
        """Return where NSGA-II writes a trial's generation, and reads it when it breeds."""
        return dict(self._memory.get_trials(deepcopy=False)[place].system_attrs)

    def _learns(self) -> bool:
        """Whether the sampler is to be told of a refused sample.

        TPE counts its first random draws by the trials that it knows of: told of refused ones
        before, it would have fewer results to start from.
        """
        tpe = self._search.sampler == "tpe"
        return tpe and self._results >= STARTUP and self._taught < MOST_TAUGHT

    def _teach(self, params: Mapping[str, Value]) -> None:
        self._taught += 1
        self._memory.add_trial(
            create_trial(
                values=[0.0] * len(self._search.objectives),  # not looked at, but asked for
                params=dict(params),
                distributions=self._distributions(params),
                constraints={"refused": 1.0},
            )
        )

    def _others(self, seed: int) -> Iterator[Mapping[str, Value]]:
        """Yield what is tried where the sampler finds nothing: all that is left, or draws."""
        if self._size is None or self._size > MOST_LISTED:
            yield from draw_assignments(self._space, MOST_DRAWN, random.Random(seed))
            return
        if self._list is None:
            # In one shuffled order for the whole search, of which an earlier process has seen the
            # first `_listed`.
            listed = list(assignments(self._space))
            random.Random(seed_of(self._name, "list")).shuffle(listed)
            self._list = iter(listed[self._listed :])
        for params in self._list:
            self._listed += 1
            yield params

    def _end(self, refused: Counter[str]) -> str:
        """Say why the search ends: nothing is left, or nothing was found."""
        if self._size is not None and self._size <= MOST_LISTED:
            return (
                f"the space of {self._size:,} assignments is exhausted: each has been tried, "
                "gives the network of another one, or is refused"
            )
        why = ", ".join(f"{count:,} {reason}" for reason, count in refused.items())
        return (
            f"none of {refused.total():,} samples in a row could be trained ({why}), "
            f"{MOST_DRAWN:,} of them drawn evenly; widen the space or the budget"
        )

    def _proposal(
        self,
        params: Mapping[str, Value],
        verdict: tuple[Spec, str],
        refused: Counter[str],
        system: Mapping[str, Any],
        taught: Sequence[Mapping[str, Value]],
    ) -> Proposal:
        if taught:
            system = {**system, TAUGHT: list(taught)}
        return Proposal(params, *verdict, dict(refused), self._listed, system)

    def _distributions(self, params: Mapping[str, Value]) -> dict[str, BaseDistribution]:
        return distributions_of(entry for entry in self._space.parameters if entry.name in params)

    def _begun(self, params: Mapping[str, Value], system: Mapping[str, Any]) -> int:
        """Return the place of a new trial of an assignment that the sampler did not draw."""
        return self._add(
            create_trial(
                state=TrialState.RUNNING,
                params=dict(params),
                distributions=self._distributions(params),
                system_attrs=dict(system),
            )
        )

    def _add(self, trial: FrozenTrial) -> int:
        values = trial.values if trial.state == TrialState.COMPLETE else None
        self._memory.add_trial(
            create_trial(
                state=trial.state,
                values=values,
                params=trial.params,
                distributions=trial.distributions,
                system_attrs=trial.system_attrs,
            )
        )
        return len(self._memory.get_trials(deepcopy=False)) - 1

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        match self._search.sampler:
            case "tpe":
                with warnings.catch_warnings():
                    # Groups, for conditional parameters, are called experimental.
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    return optuna.samplers.TPESampler(
                        seed=seed,
                        n_startup_trials=STARTUP,
                        multivariate=True,
                        group=True,
                        constant_liar=True,
                    )
            case "nsga2":
                # At least eight generations, of at most as many as Optuna's default.
                population = min(50, max(4, (self._search.n_trials or 0) // 8))
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=population)
            case _:
                return optuna.samplers.RandomSampler(seed=seed)
