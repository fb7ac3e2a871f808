"""Runs that travel: from a store into a file or a folder, and from there into another store."""

from fuseablate.runs.transfer.pack import Exported, export_runs
from fuseablate.runs.transfer.unpack import Imported, import_runs

__all__ = ["Exported", "Imported", "export_runs", "import_runs"]
