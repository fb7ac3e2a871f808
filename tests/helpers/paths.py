"""Where things lie in a clone of the repository."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REPORTS = REPOSITORY / "reports"
STUDY_FILES = REPOSITORY / "studies"
