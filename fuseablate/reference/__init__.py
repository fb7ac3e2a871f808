"""The reference of the files that users write: studies, recipes, specs and their ops.

In come the types that check these files, with the docs at their fields; out comes a JSON Schema,
by which editors check and complete, and the same as text. Without torch.
"""

from __future__ import annotations

from fuseablate.reference.schemas import SCHEMAS, op_schema
from fuseablate.reference.text import op_list, print_reference

__all__ = ["SCHEMAS", "op_list", "op_schema", "print_reference"]
