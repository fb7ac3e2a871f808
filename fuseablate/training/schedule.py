"""The learning rate as a pure function of the step, and when to stop early. Without torch."""

from __future__ import annotations

from math import cos, pi

from fuseablate.recipes import Cosine, EarlyStop, MultiStep, OneCycle, Recipe, epochs_of
from fuseablate.runs import Curves


def has_stalled(stop: EarlyStop, curves: Curves) -> bool:
    """Return whether the watched loss has had no new low for `patience` epochs."""
    losses = curves.val_loss if stop.monitor == "validation" else curves.train_loss
    return len(losses) > stop.patience and min(losses[-stop.patience :]) >= min(
        losses[: -stop.patience]
    )


def learning_rate(recipe: Recipe, step: int, epoch_steps: int) -> float:
    """Return the rate of a step (from 0) of a run whose epochs have `epoch_steps` steps."""
    return recipe.lr * _share(recipe, step, epoch_steps)


def _share(recipe: Recipe, step: int, epoch_steps: int) -> float:
    schedule, steps = recipe.schedule, recipe.epochs * epoch_steps
    if isinstance(schedule, OneCycle):
        return _one_cycle(schedule, step, steps)
    if isinstance(schedule, Cosine) and schedule.by == "epoch":
        step -= step % epoch_steps
    warmup = round(epochs_of(schedule.warmup, recipe.epochs) * epoch_steps)
    if step < warmup:
        return schedule.start + (1 - schedule.start) * step / warmup
    if isinstance(schedule, MultiStep):
        milestones = (epochs_of(span, recipe.epochs) for span in schedule.milestones)
        return schedule.gamma ** sum(step >= round(at * epoch_steps) for at in milestones)
    decay = steps - warmup
    if schedule.decay is not None:
        decay = round(epochs_of(schedule.decay, recipe.epochs) * epoch_steps)
    position = min((step - warmup) / decay, 1.0) if decay else 1.0
    arc = cos(pi / 2 * position) if schedule.arc == "quarter" else (1 + cos(pi * position)) / 2
    return schedule.final + (1 - schedule.final) * arc


def _one_cycle(schedule: OneCycle, step: int, steps: int) -> float:
    """Follow torch's OneCycleLR: the peak and the end lie on steps, counted from 0."""
    peak, end = schedule.warmup * steps - 1, steps - 1
    first, last = 1 / schedule.div, 1 / schedule.div / schedule.final_div
    if step < peak:
        return _cosine_between(first, 1.0, step / peak)
    return _cosine_between(1.0, last, (step - peak) / (end - peak))


def _cosine_between(first: float, last: float, position: float) -> float:
    return last + (first - last) * (1 + cos(pi * position)) / 2
