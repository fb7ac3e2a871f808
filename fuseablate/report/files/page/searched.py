"""What the page shows of a search: its trials, their front, what made the best of them good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fuseablate.cost import SUMMARY, cost_kind
from fuseablate.io.escaping import plain
from fuseablate.report.analysis import pareto_front
from fuseablate.report.files.page.figures import steps_drawing
from fuseablate.report.search_progress import hypervolumes
from fuseablate.runs import Searched, Trial

OPEN_TRIALS = 30  # trials up to which the table of them stands open
SCORE_AXIS = "Validation top-1 (%)"
STATES = {"fail": "failed", "complete": "done"}  # what is said of Optuna's


def cost_names(search: Searched) -> tuple[str, ...]:
    """Return the costs of trials: those that are objectives first, then params and MACs."""
    objectives = [name for name in search.objectives if name != "accuracy"]
    return tuple(dict.fromkeys((*objectives, *reversed(SUMMARY))))


def searched(search: Searched) -> dict[str, Any]:
    """Return what the templates write of a search."""
    names = cost_names(search)
    ranked = sorted(search.trials, key=lambda trial: (not trial.finalist, -(trial.top1 or 0)))
    done = [trial for trial in search.trials if trial.state == "complete"]
    volumes = hypervolumes(done, names[0]) if len(search.objectives) > 1 and done else []
    return {
        "heads": [cost_kind(name).heading for name in names],
        "costs": {name: cost_kind(name).title for name in names if _measured(search.trials, name)},
        "trials": [_row(trial, search, names) for trial in ranked],
        "open": len(search.trials) <= OPEN_TRIALS,
        "volume": steps_drawing({"front": volumes}, "Hypervolume", 3) if any(volumes) else None,
        "importance": [(name, share) for name, share in search.importance.items()],
        "parallel": sum(bool(trial.assignment) for trial in done) > 1,
    }


def _measured(trials: Sequence[Trial], name: str) -> bool:
    return any(trial.top1 is not None and trial.cost(name) is not None for trial in trials)


def _row(trial: Trial, search: Searched, names: Sequence[str]) -> dict[str, Any]:
    costs = [(trial.cost(name), cost_kind(name)) for name in names]
    state = "finalist" if trial.finalist else STATES.get(trial.state, trial.state)
    return {
        "number": trial.number,
        "state": state,
        "finalist": trial.finalist,
        "top1": trial.top1,
        "seeds": f"{trial.seeds} of {search.seeds}",
        "costs": [("" if v is None else v, "" if v is None else k.short(v)) for v, k in costs],
        "changes": trial.changes,
        "text": plain(f"trial {trial.number} {state} {trial.changes}".lower()),
    }


def trials_data(search: Searched) -> dict[str, Any]:
    """Return what the script draws: the trials with a result as points, and as lines."""
    names = cost_names(search)
    done = [trial for trial in search.trials if trial.top1 is not None]
    drawn = [trial for trial in search.random if trial.top1 is not None]
    kinds = {name: cost_kind(name) for name in names if _measured(done, name)}
    axes = list(dict.fromkeys(name for trial in done for name in trial.assignment))
    return {
        "title": SCORE_AXIS,
        "costs": {name: kind.label for name, kind in kinds.items()},
        "fronts": {name: _front(done, name) for name in kinds},
        "axes": [plain(name) for name in axes],
        "trials": [
            {
                "number": trial.number,
                "random": at >= len(done),  # it may be alike one of the search's in all it says
                "finalist": trial.finalist,
                "top1": trial.top1,
                "costs": {name: _in_unit(trial, name) for name in kinds},
                "values": [_value(trial, name) for name in axes],
                "changes": plain(trial.changes) or "baseline",
            }
            for at, trial in enumerate((*done, *drawn))
        ],
    }


def _front(trials: Sequence[Trial], name: str) -> list[int]:
    points = {
        str(trial.number): (value, trial.top1)
        for trial in trials
        if (value := trial.cost(name)) is not None and trial.top1 is not None
    }
    return sorted(map(int, pareto_front(points)))


def _in_unit(trial: Trial, name: str) -> float | None:
    value = trial.cost(name)
    return None if value is None else cost_kind(name).in_unit(value)


def _value(trial: Trial, name: str) -> float | str | None:
    """Return a parameter's value, a number where it is one; None where the trial has none."""
    value = trial.assignment.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return ("yes" if value else "no") if isinstance(value, bool) else plain(value)
