"""The colour and the mark of each variant, and how long axes are: the same in all drawings."""

from __future__ import annotations

from colorsys import hls_to_rgb

# Colours that the colour-blind tell apart (Okabe and Ito, 2008), the reference's first. Their
# yellow is left out: a thin line of it cannot be seen on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# By the names of matplotlib: circle, square, diamond, triangles, plus, star, cross.
MARKS = "osD^vP*X"
LEAST_SPAN = 0.1  # of an axis of costs, as a share of the largest: equal costs look it
GOLDEN = 0.61803398875  # of a turn: hues that follow each other lie far apart
# Relative luminances (WCAG) of the other colours by turns: each has a contrast of 3 or more to the
# paper, white or dark.
LUMINANCES = (0.15, 0.27)


def colour_of(place: int) -> str:
    """Return the colour of the variant at that place of its comparison; no two have the same."""
    if place < len(COLOURS):
        return COLOURS[place]
    beyond = place - len(COLOURS)
    hue, wanted = GOLDEN * beyond % 1, LUMINANCES[beyond % len(LUMINANCES)]
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _luminance(hue, middle) < wanted else (low, middle)
    return "#" + "".join(f"{round(255 * part):02X}" for part in hls_to_rgb(hue, low, 0.75))


def _luminance(hue: float, lightness: float) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in hls_to_rgb(hue, lightness, 0.75)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def mark_of(place: int) -> str:
    """Return the mark of the variant at that place of its comparison, as matplotlib names it."""
    return MARKS[place % len(MARKS)]
