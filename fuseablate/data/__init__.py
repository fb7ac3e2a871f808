"""The data: held in memory as bytes, split once, augmented a batch at a time.

In comes the name of a data set (a row of `DATA_SETS`) and where it lies (`load_data`); out come
three parts of images and labels (`parts.Data`), and batches of them as a network takes them
(`batches`). This face needs no torch; the modules do.
"""

from __future__ import annotations

from fuseablate.data.load import load_data
from fuseablate.data.sets import DATA_SETS, check_val

__all__ = ["DATA_SETS", "check_val", "load_data"]
