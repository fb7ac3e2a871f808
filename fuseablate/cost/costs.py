"""What a spec costs, from its layers alone: exact, without torch, in microseconds."""

from __future__ import annotations

from fuseablate.layers import Cost
from fuseablate.spec import Size, Spec


def measure(spec: Spec, size: Size | None = None) -> Cost:
    """Return what one image of `size` (H, W), the table's own by default, costs in `spec`.

    params and MACs are those that fvcore counts on the built network (`proof.prove`). Raise
    `InputError` where the network cannot take images of that size.
    """
    return Cost.total(row.cost for row in spec.infer(size))
