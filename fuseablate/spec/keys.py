"""The spec's own keys, which belong to no row: their rules, and how a size is written."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fuseablate.errors import InputError
from fuseablate.ops.fields import PROBABILITY, Float, Int, Rule

IMAGE_CHANNELS = 3
Size = tuple[int, int]  # height and width

SPEC_RULES: Mapping[str, Rule] = {
    "classes": Int(2),
    "divisor": Int(),
    "dropout": PROBABILITY,
    "drop_path": PROBABILITY,
    "norm_eps": Float(1e-12, 0.1),
    "norm_momentum": Float(1e-4, 1),
}
SPEC_KEYS = (*SPEC_RULES, "input")


def plain_size(size: Size) -> int | list[int]:
    """Return an input size (H, W) as a plain value, for JSON: one number where it is square."""
    return size[0] if size[0] == size[1] else list(size)


def parse_size(text: str) -> Size:
    """Return the size (H, W) that `224` or `224x160` writes."""
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if not match:
        rule = "write 224 or, height first, 224x160, each from 1 to 99999"
        raise InputError(f"'{text}' is not a size; {rule}")
    return int(match[1]), int(match[2] or match[1])
