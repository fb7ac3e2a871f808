"""Schedules: how the rate of a recipe changes over its run. Without torch.

A length of time in a recipe is a `Span`: a whole number counts epochs, a number between 0 and
1 is a share of the run. Shares follow `epochs` when it is changed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fuseablate.io.checked import Schema


def _span(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a whole number of epochs or a share of the run such as 0.5")
    if isinstance(value, float) and not 0 <= value <= 1:
        raise ValueError("a share of the run lies in 0 to 1; epochs are whole numbers")
    if value < 0:
        raise ValueError("must not be negative")
    return value


_Spans = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]
Span = Annotated[int | float, BeforeValidator(_span, json_schema_input_type=_Spans)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


def epochs_of(span: float, epochs: int) -> float:
    """Return the length of a Span in epochs, for a run of `epochs`."""
    return span * epochs if isinstance(span, float) else span


class Cosine(Schema):
    """A linear warm-up, then a cosine down to `final`, then flat.

    Rates are shares of the recipe's `lr`.
    """

    kind: Literal["cosine"] = "cosine"
    """A cosine."""
    warmup: Span = 0
    """How long the rate rises: epochs, or a share of the run such as 0.05."""
    start: Share = 0.0
    """Where the warm-up begins."""
    decay: Span | None = None
    """How long the cosine is; by default to the end."""
    final: Share = 0.0
    """The rate at the end."""
    arc: Literal["half", "quarter"] = "half"
    """Half a period (Loshchilov and Hutter, SGDR, 2017), or the quarter of the RegNet report,
    which is steepest at its end."""
    by: Literal["step", "epoch"] = "step"
    """How often the rate changes."""


class MultiStep(Schema):
    """A linear warm-up, then `lr`, multiplied by `gamma` at each milestone."""

    kind: Literal["multistep"]
    """Steps."""
    milestones: Annotated[tuple[Span, ...], Field(strict=False, min_length=1)]
    """When the rate is multiplied: epochs, or shares of the run such as 0.5."""
    gamma: Positive = 0.1
    """What the rate is multiplied by."""
    warmup: Span = 0
    """How long the rate rises: epochs, or a share of the run such as 0.05."""
    start: Share = 0.0
    """Where the warm-up begins, as a share of `lr`."""


class OneCycle(Schema):
    """One cycle of cosines: from `lr / div` up to `lr`, and down to `lr / div / final_div`.

    Smith and Topin, Super-Convergence, 2018, as in torch's OneCycleLR with a constant momentum.
    """

    kind: Literal["onecycle"]
    """One cycle."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """The share of the run that rises."""
    div: Annotated[float, Field(ge=1)] = 25.0
    """`lr` over the rate at the beginning."""
    final_div: Annotated[float, Field(ge=1)] = 1e4
    """The rate at the beginning over the one at the end."""


Schedule = Annotated[Cosine | MultiStep | OneCycle, Field(discriminator="kind")]


def check_spans(schedule: Schedule, epochs: int) -> None:
    """Raise `ValueError` where a schedule has no place in a run of so many epochs."""
    if isinstance(schedule, OneCycle):
        return
    warmup = epochs_of(schedule.warmup, epochs)
    spans: tuple[tuple[str, float], ...]
    if isinstance(schedule, MultiStep):
        spans = tuple(("milestones", span) for span in schedule.milestones)
        places = [epochs_of(span, epochs) for span in schedule.milestones]
        if places != sorted(set(places)):
            raise ValueError(f"schedule.milestones = {list(schedule.milestones)}: must rise")
        if places[0] < warmup:
            raise ValueError(
                f"schedule.warmup = {schedule.warmup}: must end before the "
                f"first milestone, {schedule.milestones[0]}"
            )
    else:
        spans = (("decay", schedule.decay or 0),)
    for key, span in (("warmup", schedule.warmup), *spans):
        if epochs_of(span, epochs) > epochs:
            raise ValueError(
                f"schedule.{key} = {span}: lies beyond the end, epoch "
                f"{epochs}; a share of the run (0 to 1) never does"
            )
