"""Equal cost: a spec rescaled in width until it costs what another one costs. Without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from fuseablate.cost.costs import cost_kind, limited, spec_costs, within
from fuseablate.errors import InputError, NoChangeError, check_kind
from fuseablate.spec import Edit, Size, Spec
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
    if not _counts(spec, ONE):
        return spec

    def rank(scaled: Spec) -> tuple[bool, float]:
        costs = spec_costs(scaled, (cost, *(limits or {})), size)
        return not within(costs, limits or {}), abs(costs[cost] - wanted)

    return min((spec, *_near(spec, cost, wanted, size)), key=rank)


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
    cost = _cost(spec, what, size)
    by = f"off by {100 * (cost / target - 1):+.2f} %" if target else "not equal"
    off = "equal" if cost == target else by
    if abs(cost - target) > 0.01 * target:
        off += f", as near as channels on the divisor {spec.divisor} come"
    kind = cost_kind(what)
    return f"rescaled to {kind.exact(cost)} of {kind.full(target)}: {off}"


def _cost(spec: Spec, what: str, size: Size | None) -> float:
    return cost_kind(what).total(spec.infer(size))


def _near(spec: Spec, what: str, target: float, size: Size | None) -> Iterator[Spec]:
    """Yield the spec at each step of its channel counts around the crossing of the target."""
    crossing = _crossing(spec, what, target, size)
    below, above = [crossing], [crossing]
    for _ in range(STEPS_AROUND):
        below.append(_step(spec, below[-1], -1))
        above.append(_step(spec, above[-1], 1))
    for inside in dict.fromkeys((*reversed(below), *above)):
        scaled = _wide(spec, _roundest(spec, inside)) if inside else None
        if scaled is not None:
            yield scaled


def _crossing(spec: Spec, what: str, target: float, size: Size | None) -> int:
    """Return a factor with which the spec costs at least the target, and a step less does not."""

    def reaches(factor: int) -> bool:
        scaled = _wide(spec, factor)
        # A network is refused where it is too narrow for its SE, or too wide for any row.
        return factor > ONE if scaled is None else _cost(scaled, what, size) >= target

    low, high = ONE, ONE
    while low and reaches(low):
        low //= 2
    while not reaches(high):
        low, high = high, 2 * high
    return _first(reaches, low, high)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return a number above `low`, where it does not hold, at which it begins to; by halving."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _wide(spec: Spec, factor: int) -> Spec | None:
    """Return the spec in another width; None where there is no such network."""
    try:
        return spec.edit(f"scale.width=x{_text(factor)}")
    except NoChangeError:
        return spec
    except InputError:
        return None


def _text(factor: int) -> str:
    return f"{factor / ONE:.4f}".rstrip("0").rstrip(".")


def _counts(spec: Spec, factor: int) -> list[int | str]:
    """Return the channel counts of all rows in another width."""
    counts: list[int | str] = []
    for row in spec.rows:
        channels = channels_of(type(row), row.values())
        counts += wider(row, channels, factor / ONE, spec.divisor).values()
    return counts


def _step(spec: Spec, factor: int, way: int) -> int:
    """Return the nearest factor that way with other channel counts; 0 where there is none."""
    here = _counts(spec, factor)

    def differs(far: int) -> bool:
        there = factor + way * far
        return there <= 0 or _counts(spec, there) != here

    low, high = 0, 1
    while not differs(high):
        low, high = high, 2 * high
    return max(factor + way * _first(differs, low, high), 0)


def _roundest(spec: Spec, factor: int) -> int:
    """Return the factor of the fewest decimals that gives the same channel counts."""
    low, high = _step(spec, factor, -1) + 1, _step(spec, factor, 1) - 1
    for unit in (10_000, 1_000, 100, 10):
        first, last = -(-low // unit) * unit, high // unit * unit
        if first <= last:
            return min(max(ONE, first), last)
    return factor
