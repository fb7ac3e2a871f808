"""Runs that travel: from a store into a file or a folder, and from there into another store."""

from fuseablate.runs.transfer.pack import export_runs
from fuseablate.runs.transfer.unpack import import_runs

__all__ = ["export_runs", "import_runs"]
