"""Which sampled assignments may be trained: possible, affordable and new ones. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Literal, TypeAlias

from fuseablate.cost import Variants, cost_kind, spec_costs, within
from fuseablate.errors import InputError
from fuseablate.recipes import check_trainable
from fuseablate.space.space import Assignment, Space, identity_of, recipe_of, spec_of, texts_of
from fuseablate.spec import Size, Spec

Refusal: TypeAlias = Literal["over budget", "impossible", "repeated"]
"""Why an assignment is not trained: it costs too much, means no network, or has had its trial."""


class Admission:
    """Lets assignments pass that mean a network within the limits, each once with a recipe.

    `limits` are the most that a network may cost, by the name of the cost. What has passed, or was
    refused, is remembered.
    """

    def __init__(self, space: Space, size: Size, limits: Mapping[str, float]) -> None:
        self._space, self._size, self.limits = space, size, limits
        self._refused: dict[frozenset[tuple[str, object]], Refusal] = {}
        self._networks: set[str] = set()
        self._variants = Variants(space.spec, size, limits)
        self._seen: list[Mapping[str, float]] = []
        self._reason = ""

    def remember(self, params: Assignment, network: str) -> None:
        """Take note of an assignment that passed in an earlier process."""
        self._refused[frozenset(params.items())] = "repeated"
        self._networks.add(network)

    def refuses(self, params: Assignment) -> Refusal | None:
        """Return why an assignment can't be trained, by what was remembered and by cost alone.

        Where networks are rescaled to equal cost, what they cost is looked at in `admit` alone.
        """
        key = frozenset(params.items())
        if key in self._refused:
            return self._refused[key]
        try:
            counted = self._variants.count(texts_of(self._space, params))
            if counted is None:
                spec_of(self._space, params).digest(self._size)  # raises, and says why
            recipe_of(self._space, params)
        except InputError as error:
            return self._impossible(params, error)
        assert counted is not None
        return None if self._space.equal else self._over_budget(params, counted.costs)

    def admit(self, params: Assignment) -> tuple[Spec, str] | Refusal:
        """Return the network that is to be trained, with its identity, or why there is none."""
        refusal = self.refuses(params)
        if refusal:
            return refusal
        self._refused[frozenset(params.items())] = "repeated"
        try:
            spec = spec_of(self._space, params)
            check_trainable(spec, recipe_of(self._space, params), self._size)
        except InputError as error:
            return self._impossible(params, error)
        if self._space.equal:
            costs = spec_costs(spec, ("macs", *self.limits), self._size)
            if over := self._over_budget(params, costs):
                return over
        network = identity_of(self._space, params, spec, self._size)
        if network in self._networks:
            return "repeated"
        self._networks.add(network)
        return spec, network

    def _over_budget(self, params: Assignment, costs: Mapping[str, float]) -> Refusal | None:
        self._note(costs)
        if within(costs, self.limits):
            return None
        self._refused[frozenset(params.items())] = "over budget"
        return "over budget"

    def _impossible(self, params: Assignment, error: InputError) -> Refusal:
        self._reason = str(error)
        self._refused[frozenset(params.items())] = "impossible"
        return "impossible"

    def holds(self) -> str:
        """Say what the space was found to hold, as far as it was looked at."""
        if not self._seen:
            return f"none of it gives a network: {self._reason}"
        said = []
        for name, limit in self.limits.items():
            kind = cost_kind(name)
            low, high = (kind.short(costs[name]) for costs in self._seen)
            said.append(f"from {low} to {high} {kind.unit} (budget: {kind.short(limit)})")
        have = " and ".join(said) or f"{len(self._networks):,} designs"
        return f"the networks that were found have {have}"

    def _note(self, costs: Mapping[str, float]) -> None:
        """Keep the cheapest and the largest that was seen, by the first of the limits."""
        first = next(iter(self.limits), "macs")
        seen = sorted([*self._seen, costs], key=itemgetter(first))
        self._seen = [seen[0], seen[-1]]
