"""What makes two runs of a store runs of one variant, and what tells apart what is called alike.

A name is never an identity: two files may make one network, and one file, edited, makes two.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fuseablate.errors import InputError
from fuseablate.runs.record import Record
from fuseablate.runs.store import content_digest
from fuseablate.spec import Spec

SHORT_DIGITS = 8  # of a digest, where it tells two of one name apart
UNNAMED = ("name", "title", "source", "edits", "dropped")  # what says nothing of the function
LONGEST_VALUE = 24  # characters of a value that is written out


def networks_of(records: Iterable[Record]) -> list[str]:
    """Return what names the network of each record: the network's own digest.

    A table that this version does not read, or that means another network to it than the run's
    digest says, is named by what is written in it: its runs are reported, and are one with no
    others.
    """
    known: dict[str, tuple[str, str]] = {}
    names = []
    for record in records:
        table = {key: value for key, value in record.spec.items() if key not in UNNAMED}
        size = record.data["image_size"]
        text = json.dumps([table, size], sort_keys=True)
        if text not in known:
            known[text] = _digest(record), hashlib.sha256(text.encode()).hexdigest()
        network, as_written = known[text]
        means = content_digest(network, record.recipe, record.data, record.seed)
        names.append(network if means == record.digest else as_written)
    return names


def _digest(record: Record) -> str:
    height, width = record.data["image_size"]
    try:
        return Spec.from_dict(record.spec).digest((height, width))
    except InputError:
        return ""


def alike(texts: Iterable[str]) -> set[str]:
    """Return the texts that stand there more than once."""
    return {text for text, count in Counter(texts).items() if count > 1}


def differing(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return for each table the values, in words, of the keys in which not all are the same.

    A value of many characters is told by the first digits of its digest.
    """
    flat = [_flat(table) for table in tables]
    keys = [
        key
        for key in dict.fromkeys(key for table in flat for key in table)
        if len({table.get(key) for table in flat}) > 1
    ]
    return [", ".join(f"{key}={table.get(key, 'none')}" for key in keys) for table in flat]


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{key}.")
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        short = hashlib.sha256(text.encode()).hexdigest()[:SHORT_DIGITS]
        flat[f"{above}{key}"] = text if len(text) <= LONGEST_VALUE else short
    return flat
