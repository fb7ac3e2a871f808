"""The table of a network: its rows and keys, checked, shaped, measured; no name and no history."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass

from fuseablate.errors import InputError
from fuseablate.layers import AuxHead, Cost, Flatten, Layer, Norm, Seq, Shape, canonical, walk
from fuseablate.ops import Row, Settings
from fuseablate.ops.fields import FieldValue, Int, Rule
from fuseablate.ops.table import check_ids
from fuseablate.spec.keys import IMAGE_CHANNELS, SPEC_RULES, Size


@dataclass(frozen=True)
class InferredRow:
    """A row at one input size: its layers, its shapes for one image, what it costs."""

    row: Row
    layer: Layer
    in_shape: Shape
    out_shape: Shape
    cost: Cost


INFERRED_ROWS = 4096  # inferred ones that are remembered, some 5 KB each


@functools.lru_cache(maxsize=INFERRED_ROWS)
def inferred_row(row: Row, shape: Shape, settings: Settings) -> InferredRow:
    """Return `row` for an input of `shape`; remembered, since variants share most of their rows.

    Raise `InputError` where the row cannot take it.
    """
    try:
        layer = row.layers(shape, settings)
        out, cost = layer.infer(shape)
    except InputError as error:
        raise error.within(f"row {row.id}") from None
    return InferredRow(row, layer, shape, out, cost)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A network as a table of rows: all that determines its function, and nothing else."""

    rows: tuple[Row, ...]
    input: Size
    """The size (H, W) of the published table's images; any other can be asked for."""
    classes: int
    """What the row with `out = "classes"` puts out."""
    divisor: int = 8
    """What scaled channel counts are rounded to."""
    dropout: float = 0.0
    """The probability at rows with `dropout = true`."""
    drop_path: float = 0.0
    """The probability of stochastic depth at the network's end."""
    norm_eps: float = 1e-5
    """What all norms add to a variance, as in torch."""
    norm_momentum: float = 0.1
    """The share of a batch in the running statistics of all norms, as in torch."""

    def __post_init__(self) -> None:
        """Check the table by inferring its shapes at its own input size."""
        for side in self.input:
            _checked("input", Int(), side)
        for key, rule in SPEC_RULES.items():
            object.__setattr__(self, key, _checked(key, rule, getattr(self, key)))
        if not self.rows:
            raise InputError("a spec needs at least one row")
        check_ids(self.rows)
        out = self.infer()[-1].out_shape
        if out not in ((self.classes,), (self.classes, 1, 1)):
            raise InputError(
                f"row {self.rows[-1].id}: the network ends in {'x'.join(map(str, out))}, and must "
                f"end in one number for each of the {self.classes} classes; "
                'use out = "classes" after pooling'
            )

    def infer(self, size: Size | None = None) -> tuple[InferredRow, ...]:
        """Return each row at input `size` (H, W), the table's own where it is None."""
        shape: Shape = (IMAGE_CHANNELS, *(size or self.input))
        rows: list[InferredRow] = []
        for row, settings in zip(self.rows, self.settings(), strict=True):
            rows.append(inferred_row(row, shape, settings))
            shape = rows[-1].out_shape
        return tuple(rows)

    def settings(self) -> list[Settings]:
        """Return what each row's layers depend on beside its fields and its input.

        The probability of stochastic depth grows from 0 in the first block by equal steps, so
        that one more block would have `drop_path` (Huang et al., ECCV 2016, figure 2).
        """
        same = Settings(self.classes, self.dropout, self.norm_eps, self.norm_momentum)
        if not self.drop_path:
            return [same] * len(self.rows)
        blocks = sum(row.repeats for row in self.rows)
        settings = []
        before = 0
        for row in self.rows:
            share = before / blocks if row.repeats else 0
            settings.append(dataclasses.replace(same, drop_path=self.drop_path * share))
            before += row.repeats
        return settings

    def layers(self, size: Size | None = None) -> Seq:
        """Return the whole network's tree: `rows.<name>`, then `flatten` to (classes,)."""
        rows = Seq(tuple((row.row.name, row.layer) for row in self.infer(size)))
        return Seq((("rows", rows), ("flatten", Flatten())))

    def check_trainable(self, size: Size | None = None) -> None:
        """Raise an `InputError` where training would run a head at the side on too small a map."""
        for row in self.infer(size):
            for _, child in getattr(row.layer, "children", ()):
                if isinstance(child, AuxHead):
                    try:
                        child.check(row.in_shape)
                    except InputError as error:
                        raise InputError(
                            f"row {row.row.id}: training runs this head: {error}, or leave the "
                            f"head out with {row.row.id}.weight=0"
                        ) from None

    def check_batch(self, images: int, size: Size | None = None) -> None:
        """Raise an `InputError` where batches of so many images give a norm one number a channel.

        That number would be its own mean, and torch refuses to train on it. See `check_trainable`
        first: a head at the side is looked into as well.
        """
        if images > 1:
            return
        for row in self.infer(size):
            for step in walk(row.layer, row.in_shape, trained=True):
                over_batch = isinstance(step.layer, Norm) and not step.layer.groups
                if over_batch and step.before[1:] == (1, 1):
                    raise InputError(
                        f"row {row.row.id}: batch_size = {images}: a batch norm on a 1x1 map needs "
                        "at least 2 images"
                    )

    def digest(self, size: Size | None = None) -> str:
        """Return the SHA-256 of what the table means: its tree of layers at input `size`.

        Tables that mean the same network have the same digest, however they are written.
        """
        return hashlib.sha256(canonical(self.layers(size)).encode()).hexdigest()


def _checked(key: str, rule: Rule, value: object) -> FieldValue:
    try:
        return rule.check(value)
    except InputError as error:
        raise error.within(key) from None
