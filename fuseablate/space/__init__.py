"""The space of a search: its parameters, and what an assignment of them means. Without torch.

In come a baseline and the parameters of a study file; out come the spec and the recipe that an
assignment means, whether it may be trained (`Admission`), and what all of them cost (`Census`).
"""

from __future__ import annotations

from fuseablate.space.admission import Admission, Refusal
from fuseablate.space.census import Census, take_census
from fuseablate.space.counting import draw_assignments
from fuseablate.space.fields import (
    Amount,
    Name,
    Scalar,
    Seeds,
    Text,
    Texts,
    Value,
    amount,
    fit_name,
)
from fuseablate.space.parameters import Categorical, IntRange, Parameter, value_at
from fuseablate.space.space import (
    Assignment,
    Equal,
    Space,
    assignments,
    check_point,
    identity_of,
    is_active,
    recipe_changes,
    recipe_of,
    size_of,
    unchanging,
)

__all__ = [
    "Admission",
    "Amount",
    "Assignment",
    "Categorical",
    "Census",
    "Equal",
    "IntRange",
    "Name",
    "Parameter",
    "Refusal",
    "Scalar",
    "Seeds",
    "Space",
    "Text",
    "Texts",
    "Value",
    "amount",
    "assignments",
    "check_point",
    "draw_assignments",
    "fit_name",
    "identity_of",
    "is_active",
    "recipe_changes",
    "recipe_of",
    "size_of",
    "take_census",
    "unchanging",
    "value_at",
]
