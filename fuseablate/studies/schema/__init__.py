"""The keys of a study file, as checked tables. Without torch."""

from __future__ import annotations

from fuseablate.studies.schema.search import Search, limits_of
from fuseablate.studies.schema.seeds import seed_plan
from fuseablate.studies.schema.study import DataSource, DesignName, Factor, Level, StudyFile
from fuseablate.studies.schema.tune import Tune

__all__ = [
    "DataSource",
    "DesignName",
    "Factor",
    "Level",
    "Search",
    "StudyFile",
    "Tune",
    "limits_of",
    "seed_plan",
]
