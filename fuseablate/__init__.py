"""fuseablate: architecture exploration and ablation of small CNNs.

A network is a table, an ablation is an edit of the table, a study is edits x seeds, and a report
compares rows of results.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fuseablate.version import __version__ as __version__

if TYPE_CHECKING:
    from fuseablate.cost import measure, rescaled
    from fuseablate.data import load_data
    from fuseablate.errors import InputError, SkippedWarning
    from fuseablate.layers import Cost, Layer
    from fuseablate.network import build
    from fuseablate.network.check import verify
    from fuseablate.ops import Row
    from fuseablate.ops.fields import field
    from fuseablate.plugins import load_plugin, register
    from fuseablate.recipes import Recipe, load_recipe
    from fuseablate.report import Report, ReportOptions, compare
    from fuseablate.runs import Record, Store
    from fuseablate.runs.weights import load_weights
    from fuseablate.spec import Difference, Spec, diff, load_spec
    from fuseablate.studies import Study, load_study
    from fuseablate.studies.exploration import Exploration, explore
    from fuseablate.studies.running import (
        StudyPlan,
        StudyResult,
        load_result,
        plan_study,
        run_study,
    )
    from fuseablate.training import train

# Names are looked up when first used: torch takes seconds to import, and most commands need none.
_HOMES = {
    "Cost": "layers",
    "Difference": "spec",
    "Exploration": "studies.exploration",
    "InputError": "errors",
    "Layer": "layers",
    "Recipe": "recipes",
    "Record": "runs",
    "Report": "report",
    "ReportOptions": "report",
    "Row": "ops",
    "SkippedWarning": "errors",
    "Spec": "spec",
    "Store": "runs",
    "Study": "studies",
    "StudyPlan": "studies.running",
    "StudyResult": "studies.running",
    "build": "network",
    "compare": "report",
    "diff": "spec",
    "explore": "studies.exploration",
    "field": "ops.fields",
    "load_data": "data",
    "load_plugin": "plugins",
    "load_recipe": "recipes",
    "load_result": "studies.running",
    "load_spec": "spec",
    "load_study": "studies",
    "load_weights": "runs.weights",
    "measure": "cost",
    "plan_study": "studies.running",
    "register": "plugins",
    "rescaled": "cost",
    "run_study": "studies.running",
    "train": "training",
    "verify": "network.check",
}

__all__ = [
    "Cost",
    "Difference",
    "Exploration",
    "InputError",
    "Layer",
    "Recipe",
    "Record",
    "Report",
    "ReportOptions",
    "Row",
    "SkippedWarning",
    "Spec",
    "Store",
    "Study",
    "StudyPlan",
    "StudyResult",
    "build",
    "compare",
    "diff",
    "explore",
    "field",
    "load_data",
    "load_plugin",
    "load_recipe",
    "load_result",
    "load_spec",
    "load_study",
    "load_weights",
    "measure",
    "plan_study",
    "register",
    "rescaled",
    "run_study",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fuseablate' has no attribute '{name}'")
    return getattr(import_module(f"fuseablate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
