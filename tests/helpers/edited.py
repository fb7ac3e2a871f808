"""The baseline edited: what of its cells is other than before."""

from __future__ import annotations

import pytest

from fuseablate import InputError, load_spec
from fuseablate.spec.spec import Spec

BASE = load_spec("fusenet")
FUSE = [str(n) for n in range(2, 13)]  # the rows of its fuse blocks


def refused(*edits: str, spec: Spec = BASE) -> str:
    with pytest.raises(InputError) as error:
        spec.edit(*edits)
    text = str(error.value)
    assert "\n" not in text
    return text


def cells(spec: Spec, field: str) -> dict[str, object]:
    """A field's value in each row that has it, by the row's id."""
    return {row.id: row.values()[field] for row in spec.rows if field in row.values()}


def changed(spec: Spec, field: str) -> dict[str, object]:
    """The cells of a field that are not as in the baseline."""
    before = cells(BASE, field)
    return {id: value for id, value in cells(spec, field).items() if before.get(id) != value}
