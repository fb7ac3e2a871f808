"""The data: held in memory as bytes, split once, augmented a batch at a time.

In comes the name of a data set and where it lies (`load_data`); out come three parts of images and
labels (`Data`), and batches of them as a network takes them.
"""

from __future__ import annotations

from fuseablate.data.batches import TrainBatches, eval_batches
from fuseablate.data.load import MEMORY_LIMIT, NAMES, generated_data, load_data
from fuseablate.data.parts import Data, Part, Progress

__all__ = [
    "MEMORY_LIMIT",
    "NAMES",
    "Data",
    "Part",
    "Progress",
    "TrainBatches",
    "eval_batches",
    "generated_data",
    "load_data",
]
