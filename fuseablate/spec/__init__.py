"""The spec: the table of a network, and edits of it. Without torch.

In come a name, a TOML file or a table, and edits as text; out comes a `Spec`: rows that are checked
when it is made, each with its tree of layers, its shapes and its cost.
"""

from __future__ import annotations

from fuseablate.spec.catalog import form_edits, load_spec, shipped_specs
from fuseablate.spec.difference import Change, Difference, RowDifference, changes, diff
from fuseablate.spec.editor import Edited, Editor
from fuseablate.spec.edits import OF_IMAGES, Edit, select
from fuseablate.spec.keys import IMAGE_CHANNELS, SPEC_KEYS, Size, parse_size, plain_size
from fuseablate.spec.scaling import KnownRow, steady_hash
from fuseablate.spec.spec import Spec, to_toml
from fuseablate.spec.table import InferredRow

__all__ = [
    "IMAGE_CHANNELS",
    "OF_IMAGES",
    "SPEC_KEYS",
    "Change",
    "Difference",
    "Edit",
    "Edited",
    "Editor",
    "InferredRow",
    "KnownRow",
    "RowDifference",
    "Size",
    "Spec",
    "changes",
    "diff",
    "form_edits",
    "load_spec",
    "parse_size",
    "plain_size",
    "select",
    "shipped_specs",
    "steady_hash",
    "to_toml",
]
