"""The generated data set: a textured shape on a cluttered ground, so that no download is needed.

A class is a shape, a texture and a colour. The silhouette and the texture ask for kernels that
reach far enough, the colour for statistics of whole channels (SE), the hundred combinations of
them for width. Position, scale, angles, light, ground and noise vary from image to image; angles
stay small enough for the texture's name to remain true.

No class is the mirror image of another, since training flips images: diagonal stripes lean
either way in one class.

Pixels are computed with nothing but sums, products, quotients, square roots and roundings of
float32, which IEEE 754 fixes to the last bit. No sine, no matrix product and no sum along an
axis is used: their last bit depends on the processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fuseablate.data.parts import Data, Part, check_memory, make_data, stratified_split
from fuseablate.data.sets import Request

VERSION = 1
"""Part of the data's identity: raised whenever a pixel changes."""

SHAPES = ("disc", "ring", "square", "triangle", "cross")
TEXTURES = ("horizontal stripes", "vertical stripes", "diagonal stripes", "checks", "fine checks")
CLASS_COLOURS = {
    "red": (0.90, 0.28, 0.22),
    "yellow": (0.88, 0.76, 0.20),
    "teal": (0.16, 0.72, 0.66),
    "violet": (0.58, 0.34, 0.90),
}
TRAIN_AND_TEST = ("train", "test")

# What varies from image to image, uniformly between two bounds. Lengths are fractions of the
# image's side. An angle is given by the tangent of its half: 0.1 is 11.4 degrees.
_VARIES = {
    "x": (-0.17, 0.17),
    "y": (-0.17, 0.17),
    "radius": (0.30, 0.40),
    "tilt": (-0.12, 0.12),
    "slant": (-0.08, 0.08),
    "period": (0.90, 1.15),
    "phase": (0.0, 1.0),
    "cross_phase": (0.0, 1.0),
    "mirror": (-1.0, 1.0),
    "dark": (0.08, 0.28),
    "light": (0.70, 1.15),
}
_PERIODS = (0.25, 0.25, 0.25, 0.38, 0.19)  # of each texture, as a fraction of the side
_SHORTEST_PERIOD = 3.0  # in pixels: a shorter one could not be told from a plain surface
_JITTER = 0.12  # of each colour channel
_CLOUDS = 4  # the ground is a grid of so many random colours a side, blended
_BARS = 3  # stray bars behind the shape
_BAR_DRAWS = 8  # x, y, angle, half length, half width, and three colour channels
_NOISE = 0.05
_DRAWS = len(_VARIES) + 3 + 3 * _CLOUDS**2 + _BAR_DRAWS * _BARS
PIXELS_AT_ONCE = 1 << 16  # keeps the working set in the processor's cache

# Always float32; but numpy's stubs take a float32 array times a Python float for float64.
_Floats = NDArray[np.floating[Any]]


def load(request: Request) -> Data:
    """Return the generated set with so many training and test images of each class."""
    size, classes = request.arguments["size"], request.arguments["classes"]
    seed = request.arguments["seed"]
    per_class = {part: request.arguments[f"{part}_images"] for part in TRAIN_AND_TEST}
    check_memory("generated data", classes * sum(per_class.values()), size, request.memory_limit)

    def read(part: str) -> Part:
        images, labels = generate(classes, size, per_class[part], part, seed)
        return Part(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))

    whole, names = read("train"), class_names(classes)
    train, val = stratified_split(whole.labels, names, request.split_seed, request.val)
    content = {key: value for key, value in request.arguments.items() if key != "size"}
    return make_data(
        request,
        names,
        train=whole.select(train),
        val=whole.select(val),
        read_test=lambda: read("test"),
        source={"name": "generated", "content": {"generator": VERSION, **content}},
    )


def generate(
    classes: int, size: int, images_per_class: int, part: str, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images `(N, size, size, 3)` of one part, and their labels `(N,)`, by class.

    N is `classes * images_per_class`. An image depends on `seed`, `part`, its class and its
    place in the class alone: more classes or more images per class add to the set, and change
    nothing in it. Training and test images are drawn from separate streams.
    """
    images = np.empty((classes, images_per_class, size, size, 3), np.uint8)
    step = max(1, PIXELS_AT_ONCE // size**2)
    for label in range(classes):
        root = np.random.SeedSequence([seed, TRAIN_AND_TEST.index(part), label])
        scenes, noise = (np.random.Generator(np.random.PCG64(s)) for s in root.spawn(2))
        for start in range(0, images_per_class, step):
            batch = images[label, start : start + step]
            draws = scenes.random((len(batch), _DRAWS)).astype(np.float32)
            scene = _render(*_factors(label), size, draws)
            scene += _NOISE * (2 * noise.random(scene.shape, np.float32) - 1)
            np.clip(scene, 0, 1, out=scene)
            batch[...] = np.rint(scene * 255).transpose(0, 2, 3, 1)
    labels = np.repeat(np.arange(classes, dtype=np.int64), images_per_class)
    return images.reshape(-1, size, size, 3), labels


def class_names(classes: int) -> tuple[str, ...]:
    """Return the name of each class, such as "ring, diagonal stripes, teal"."""
    colours = tuple(CLASS_COLOURS)
    factors = (_factors(label) for label in range(classes))
    return tuple(f"{SHAPES[s]}, {TEXTURES[t]}, {colours[c]}" for s, t, c in factors)


def _factors(label: int) -> tuple[int, int, int]:
    """Return the shape, texture and colour of a class; neighbours differ in all three.

    Each block of 20 labels holds every pair of shape and colour; the five blocks move the
    texture on, so that 100 labels hold every triple once.
    """
    return label % 5, (label + 3 * (label // 5)) % 5, label % 4


def _render(shape: int, texture: int, colour: int, size: int, draws: _Floats) -> _Floats:
    """Return images `(N, 3, size, size)` in about [0, 1], without noise, from `(N, _DRAWS)`."""
    fixed, rest = np.split(draws, [len(_VARIES)], axis=1)
    tint, clouds, bars = np.split(rest, [3, 3 + 3 * _CLOUDS**2], axis=1)
    scene = {
        name: (low + (high - low) * fixed[:, i])[:, None, None]
        for i, (name, (low, high)) in enumerate(_VARIES.items())
    }
    axis = _middles(size) - 0.5
    x, y = axis[None, None, :], axis[None, :, None]
    ground = _ground(clouds.reshape(-1, 3, _CLOUDS, _CLOUDS), size)
    for bar in np.split(bars, _BARS, axis=1):
        _paint_bar(ground, bar, x, y)
    x, y = x - scene["x"], y - scene["y"]
    distance = distance_to_outline(shape, *_turn(x, y, scene["tilt"]), scene["radius"])
    wave = _wave(texture, *_turn(x, y, scene["slant"]), scene, size)
    shade = scene["light"] * (scene["dark"] + (1 - scene["dark"]) * wave)
    paint = np.array(list(CLASS_COLOURS.values())[colour], np.float32) + _JITTER * (2 * tint - 1)
    surface = shade[:, None] * paint[:, :, None, None]
    return _mix(ground, surface, covered(distance, size)[:, None])


def _middles(size: int) -> _Floats:
    """Return where the middle of each pixel of a row lies, as a fraction of the side."""
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


def _turn(x: _Floats, y: _Floats, half_tangent: _Floats) -> tuple[_Floats, _Floats]:
    """Return coordinates turned by an angle, without sine or cosine: t = tan(angle / 2)."""
    square = half_tangent * half_tangent
    cosine, sine = (1 - square) / (1 + square), 2 * half_tangent / (1 + square)
    return cosine * x + sine * y, cosine * y - sine * x


def distance_to_outline(shape: int, x: _Floats, y: _Floats, radius: _Floats) -> _Floats:
    """Return the distance to the outline, negative inside (too short beyond outer corners)."""
    across, down = np.abs(x), np.abs(y)
    distance: _Floats
    match SHAPES[shape]:
        case "disc":
            distance = np.sqrt(x * x + y * y) - radius
        case "ring":
            distance = np.abs(np.sqrt(x * x + y * y) - 0.75 * radius) - 0.29 * radius
        case "square":
            distance = np.maximum(across, down) - 0.86 * radius
        case "triangle":  # equilateral, on its base: sine and cosine of 60 degrees
            distance = np.maximum(y, 0.8660254 * across - 0.5 * y) - 0.6 * radius
        case _:  # cross: two bars
            level = np.maximum(across - 1.05 * radius, down - 0.38 * radius)
            upright = np.maximum(across - 0.38 * radius, down - 1.05 * radius)
            distance = np.minimum(level, upright)
    return distance


def _wave(texture: int, x: _Floats, y: _Floats, scene: Mapping[str, _Floats], size: int) -> _Floats:
    """Return the texture's brightness in [0, 1]."""
    period = np.maximum(_PERIODS[texture] * scene["period"], _SHORTEST_PERIOD / size)

    def stripes(along: _Floats, phase: _Floats) -> _Floats:
        turns = along / period + phase
        rise: _Floats = np.abs(2 * (turns - np.floor(turns)) - 1) - 0.5
        steep: _Floats = np.clip(rise * (0.5 * size * period) + 0.5, 0, 1)
        return steep  # each edge is one pixel wide

    match TEXTURES[texture]:
        case "horizontal stripes":
            return stripes(y, scene["phase"])
        case "vertical stripes":
            return stripes(x, scene["phase"])
        case "diagonal stripes":
            return stripes(0.70710678 * (y + np.sign(scene["mirror"]) * x), scene["phase"])
        case _:
            columns = stripes(x, scene["phase"])
            rows = stripes(y, scene["cross_phase"])
            return columns + rows - 2 * columns * rows


def _ground(clouds: _Floats, size: int) -> _Floats:
    """Return clouds `(N, 3, k, k)` of dull colours, blended to `(N, 3, size, size)`."""
    grey = clouds[:, :1]
    colours = 0.1 + 0.7 * (grey + 0.6 * (clouds - grey))
    place = _middles(size) * (_CLOUDS - 1)
    first = np.minimum(place.astype(np.intp), _CLOUDS - 2)
    weight = place - first.astype(np.float32)
    rows = _mix(colours[:, :, first], colours[:, :, first + 1], weight[:, None])
    return _mix(rows[..., first], rows[..., first + 1], weight)


def _paint_bar(ground: _Floats, bar: _Floats, x: _Floats, y: _Floats) -> None:
    """Paint one stray bar an image on the ground, in place, from its draws `(N, 8)`."""
    left, top, turn, length, width = (column[:, None, None] for column in bar[:, :5].T)
    along, across = _turn(x - (left - 0.5), y - (top - 0.5), 2 * turn - 1)
    sides = np.abs(along) - (0.06 + 0.14 * length), np.abs(across) - (0.02 + 0.05 * width)
    inside = covered(np.maximum(*sides), ground.shape[-1])
    ground[...] = _mix(ground, bar[:, 5:, None, None], inside[:, None])


def covered(distance: _Floats, size: int) -> _Floats:
    """Return how much of each pixel lies inside an outline, in [0, 1]."""
    cover: _Floats = np.clip(0.5 - size * distance, 0, 1)
    return cover


def _mix(start: _Floats, end: _Floats, weight: _Floats) -> _Floats:
    """Return `start` where the weight is 0, `end` where it is 1, all three broadcast."""
    mixed = end - start
    mixed *= weight
    mixed += start
    return mixed
