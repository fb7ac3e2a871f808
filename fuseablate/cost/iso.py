"""Equal cost: a spec rescaled in width until it costs what another one costs. Without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fuseablate.cost.costs import cost_kind, limited, spec_costs, within
from fuseablate.errors import InputError, NoChangeError, check_kind
from fuseablate.spec import Edit, Editor, Size, Spec
from fuseablate.spec.scaling import WIDTH, channels_of, wider

# Factors are whole numbers of 1/10,000, so that the edit's text says them exactly.
ONE = 10_000
# The cost is a staircase over the factor: channels are rounded to the divisor, so that whole ranges
# of factors give one network. Its steps go up, but for the few at which a row's expansion falls
# away (`expand=wider`, where exp comes to equal in) or a rounding is cut off at 0.9. So the nearest
# network need not lie at the crossing of the target itself: this many steps on either side of it
# are tried, too.
STEPS_AROUND = 6


def rescaled(
    spec: Spec,
    cost: str,
    target: Spec | float,
    size: Size | None = None,
    limits: Mapping[str, float] | None = None,
) -> Spec:
    """Return `spec` with its width scaled so that it costs as near `target` as it can.

    `cost` is its name, such as macs or cycles@systolic64; `target` a number of it, or a spec that
    costs as much. The cost is that of one image of `size` (H, W), the table's own by default. All
    rows but the classifier's are scaled by one factor (edit `scale.width`), channels on the
    divisor; `spec` itself where nothing comes nearer. limits: the most of costs by their names; a
    width within them comes before a nearer one that is not. Raise `InputError` where the width is
    scaled already, and for a cost that cannot be equalled.
    """
    check_kind("spec", spec, Spec, "load_spec", "fusenet")
    kind = limited(cost)
    wanted = kind.total(target.infer(size)) if isinstance(target, Spec) else target
    check_width_is_free(spec.edits, cost)
    widths = _Widths(spec, cost, size)
    if not widths.counts(ONE):
        return spec

    def rank(factor: int) -> tuple[bool, float]:
        scaled = widths.spec(factor)
        assert scaled
        costs = spec_costs(scaled, (cost, *(limits or {})), size)
        return not within(costs, limits or {}), abs(costs[cost] - wanted)

    best = min((ONE, *widths.near(wanted)), key=rank)
    return spec if widths.spec(best) is spec else spec.edit(_edit(best))


def edited_at_cost(
    spec: Spec,
    edits: Sequence[str],
    cost: str,
    target: Spec | float,
    *,
    size: Size | None = None,
    limits: Mapping[str, float] | None = None,
) -> Spec:
    """Return `spec` with edits made and its width scaled to equal cost, all at once.

    So each edit is judged in that width, and one that says nothing there is left out, as
    `Spec.edit_sampled` leaves it out. The arguments are otherwise those of `rescaled`.
    """
    edited = spec.edit_sampled(*edits, scaled_later=True)
    fitted = rescaled(edited, cost, target, size, limits)
    return spec.edit_sampled(*edits, *fitted.edits[len(edited.edits) :])


def check_width_is_free(texts: Iterable[str], cost: str) -> None:
    """Refuse an edit of the width, which is solved for equal `cost`."""
    for text in texts:
        if Edit.parse(text).target == WIDTH:
            raise InputError(
                f"edit '{text}': the width is solved for equal {cost_kind(cost).word}; leave the "
                "edit out"
            )


def nearness(spec: Spec, what: str, target: float, size: Size | None = None) -> str:
    """Return one line that says how near a rescaled spec comes to the cost that it should have."""
    kind = cost_kind(what)
    cost = kind.total(spec.infer(size))
    by = f"off by {100 * (cost / target - 1):+.2f} %" if target else "not equal"
    off = "equal" if cost == target else by
    if abs(cost - target) > 0.01 * target:
        off += f", as near as channels on the divisor {spec.divisor} come"
    return f"rescaled to {kind.exact(cost)} of {kind.full(target)}: {off}"


def _edit(factor: int) -> str:
    return f"scale.width=x{f'{factor / ONE:.4f}'.rstrip('0').rstrip('.')}"


class _Widths:
    """A spec in other widths, by their factors in units of 1 / `ONE`."""

    def __init__(self, spec: Spec, what: str, size: Size | None) -> None:
        self._what, self._size, self._divisor = what, size, spec.divisor
        self._rows = [(row, channels_of(type(row), row.values())) for row in spec.rows]
        self._editor = Editor(spec)
        self._specs: dict[int, Spec | None] = {ONE: spec}

    def spec(self, factor: int) -> Spec | None:
        """Return the table in another width, not its edits; None where there is no such network."""
        if factor not in self._specs:
            try:
                self._specs[factor], _ = self._editor.edit([_edit(factor)])
            except NoChangeError:
                self._specs[factor] = self._editor.table
            except InputError:
                self._specs[factor] = None
        return self._specs[factor]

    def counts(self, factor: int) -> list[int | str]:
        """Return the channel counts of all rows in another width."""
        counts: list[int | str] = []
        for row, channels in self._rows:
            counts += wider(row, channels, factor / ONE, self._divisor).values()
        return counts

    def near(self, target: float) -> list[int]:
        """Return a factor for each step of the channel counts around the crossing of the target."""
        crossing = self._crossing(target)
        below, above = [crossing], [crossing]
        for _ in range(STEPS_AROUND):
            below.append(self._step(below[-1], -1))
            above.append(self._step(above[-1], 1))
        inside = dict.fromkeys((*reversed(below), *above))
        factors = [self._roundest(factor) for factor in inside if factor]
        return [factor for factor in factors if self.spec(factor)]

    def _crossing(self, target: float) -> int:
        """Return a factor with which the spec costs at least the target; a step less does not."""

        def reaches(factor: int) -> bool:
            scaled = self.spec(factor)
            # A network is refused where it is too narrow for its SE, or too wide for any row.
            return factor > ONE if scaled is None else self._cost(scaled) >= target

        low, high = ONE, ONE
        while low and reaches(low):
            low //= 2
        while not reaches(high):
            low, high = high, 2 * high
        return _first(reaches, low, high)

    def _cost(self, spec: Spec) -> float:
        return cost_kind(self._what).total(spec.infer(self._size))

    def _step(self, factor: int, way: int) -> int:
        """Return the nearest factor that way with other channel counts; 0 where there is none."""
        here = self.counts(factor)

        def differs(far: int) -> bool:
            there = factor + way * far
            return there <= 0 or self.counts(there) != here

        low, high = 0, 1
        while not differs(high):
            low, high = high, 2 * high
        return max(factor + way * _first(differs, low, high), 0)

    def _roundest(self, factor: int) -> int:
        """Return the factor of the fewest decimals that gives the same channel counts."""
        low, high = self._step(factor, -1) + 1, self._step(factor, 1) - 1
        for unit in (10_000, 1_000, 100, 10):
            first, last = -(-low // unit) * unit, high // unit * unit
            if first <= last:
                return min(max(ONE, first), last)
        return factor


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return a number above `low`, where it does not hold, at which it begins to; by halving."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
