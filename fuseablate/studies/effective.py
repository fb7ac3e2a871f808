"""Edits of which some may change nothing, as they do in combinations."""

from __future__ import annotations

from collections.abc import Iterable

from fuseablate.edits import edited
from fuseablate.spec import Spec


def effective(spec: Spec, texts: Iterable[str]) -> Spec:
    """Return `spec` with those of the edits made that change something.

    `Spec.edit` refuses an edit that changes nothing, since a person who writes one has most
    likely slipped. Combinations of levels and sampled values hold such edits rightly: row 5 set
    to the kernel that it has. Whether an edit changes anything depends on the wider ones beside
    it, so each is judged among all the others. Raise `InputError` for any other fault.
    """
    return edited(spec, texts, idle=True)
