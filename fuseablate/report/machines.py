"""Whether the runs of a comparison were trained on the same footing: threads, device, torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from fuseablate.runs import Record


def _device(environment: Mapping[str, object]) -> str:
    """Return the kind of the device and its name; which of several it was changes nothing."""
    kind = str(environment["device"]).partition(":")[0]
    return f"{kind} ({environment['device_name']})" if environment.get("device_name") else kind


# What changes results though it is no part of a run's digest, and how a record tells it.
TOLD: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "threads": lambda environment: str(environment["threads"]),
    "device": _device,
    "torch": lambda environment: str(environment["torch"]),
}


def unlike(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return a line that says in what the runs differ and how many there are of each; or none."""
    said = []
    for key, tell in TOLD.items():
        values = Counter(tell(run.environment) for run in runs if key in run.environment)
        if len(values) > 1:
            each = [
                f"{value} ({count} run{'s' * (count > 1)})"
                for value, count in sorted(values.items())
            ]
            said.append(f"{key} {', '.join(each[:-1])} and {each[-1]}")
    if not said:
        return ()
    return (
        f"Not all runs were trained alike, which changes results by itself: {'; '.join(said)}.",
    )
