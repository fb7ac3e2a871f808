"""The spec: the table of a network, validated when it is made, read from and written to TOML."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.edits import edited
from fuseablate.errors import InputError, unknown
from fuseablate.escaping import data, plain
from fuseablate.keys import IMAGE_CHANNELS, SPEC_RULES, Size, check_key
from fuseablate.layers import Cost, Flatten, Layer, Seq, Shape, Tap, written
from fuseablate.ops import OPS, Row, Settings
from fuseablate.ops.cells import Whole
from fuseablate.ops.table import check_ids, read_rows


@dataclass(frozen=True)
class Why:
    """Where one choice of a spec comes from: `origin` is `source` or `inferred`."""

    field: str
    value: str
    origin: str
    reason: str


@dataclass(frozen=True)
class Form:
    """Edits that have a name: the network in a form for other data, such as `cifar`."""

    name: str
    edits: tuple[str, ...]


@dataclass(frozen=True)
class TracedRow:
    """A row at one input size: its layers, its shapes for one image, what it costs."""

    row: Row
    layer: Layer
    in_shape: Shape
    out_shape: Shape
    cost: Cost


TRACES = 4096  # rows whose traces are remembered, some 5 KB each


@functools.lru_cache(maxsize=TRACES)
def traced_row(row: Row, shape: Shape, settings: Settings) -> TracedRow:
    """Return `row` for an input of `shape`; remembered, since variants share most of their rows.

    Raise `InputError` where the row cannot take it.
    """
    try:
        layer = row.layers(shape, settings)
        out, cost = layer.trace(shape)
    except InputError as error:
        raise error.within(f"row {row.id}") from None
    return TracedRow(row, layer, shape, out, cost)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A network as a table of rows.

    input: the size (H, W) of the published table; any other size can be asked for. classes:
    what the row with `out = "classes"` puts out. divisor: what scaled channel counts are rounded
    to. dropout: the probability at rows with `dropout = true`. drop_path: that of stochastic
    depth at the network's end. norm_eps, norm_momentum: those of all norms, as in torch. edits:
    what was changed since the table was read, as text; dropped: fields that a change of op did
    away with. forms: edits with a name, made on demand. name, title, source, why, forms, edits
    and dropped say nothing about the function.
    """

    name: str
    rows: tuple[Row, ...]
    input: Size
    classes: int
    divisor: int = 8
    dropout: float = 0.0
    drop_path: float = 0.0
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    title: str = ""
    source: str = ""
    why: tuple[Why, ...] = ()
    forms: tuple[Form, ...] = ()
    edits: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the table by tracing it at its own input size."""
        for side in self.input:
            check_key("input", Whole(), side)
        for key, rule in SPEC_RULES.items():
            check_key(key, rule, getattr(self, key))
        if not self.rows:
            raise InputError("a spec needs at least one row")
        check_ids(self.rows)
        out = self.trace()[-1].out_shape
        if out not in ((self.classes,), (self.classes, 1, 1)):
            raise InputError(
                f"row {self.rows[-1].id}: the network ends in {'x'.join(map(str, out))}, and must "
                f"end in one number for each of the {self.classes} classes; "
                'use out = "classes" after pooling'
            )

    @property
    def label(self) -> str:
        """The edits as one text, with the fields that fell away; empty for the published table."""
        without = f" (without {', '.join(self.dropped)})" if self.dropped else ""
        return " ".join(self.edits) + without

    def trace(self, size: Size | None = None) -> tuple[TracedRow, ...]:
        """Return each row at input `size` (H, W), the table's own where it is None."""
        shape: Shape = (IMAGE_CHANNELS, *(size or self.input))
        traced: list[TracedRow] = []
        for row, settings in zip(self.rows, self.settings(), strict=True):
            traced.append(traced_row(row, shape, settings))
            shape = traced[-1].out_shape
        return tuple(traced)

    def settings(self) -> list[Settings]:
        """Return what each row's layers depend on beside its cells and its input.

        The probability of stochastic depth grows from 0 in the first block by equal steps, so
        that one more block would have `drop_path` (Huang et al., ECCV 2016, figure 2).
        """
        same = Settings(self.classes, self.dropout, self.norm_eps, self.norm_momentum)
        if not self.drop_path:
            return [same] * len(self.rows)
        blocks = sum(row.repeats for row in self.rows)
        found = []
        before = 0
        for row in self.rows:
            share = before / blocks if row.repeats else 0
            found.append(dataclasses.replace(same, drop_path=self.drop_path * share))
            before += row.repeats
        return found

    def layers(self, size: Size | None = None) -> Seq:
        """Return the whole network's tree: `rows.<name>`, then `flatten` to (classes,)."""
        rows = Seq(tuple((traced.row.name, traced.layer) for traced in self.trace(size)))
        return Seq((("rows", rows), ("flatten", Flatten())))

    def check_trainable(self, size: Size | None = None) -> None:
        """Raise an `InputError` where training would run a head at the side on too small a map."""
        for row in self.trace(size):
            for _, child in getattr(row.layer, "children", ()):
                if isinstance(child, Tap):
                    try:
                        child.check(row.in_shape)
                    except InputError as error:
                        raise InputError(
                            f"row {row.row.id}: training runs this head: {error}, or leave the "
                            f"head out with {row.row.id}.weight=0"
                        ) from None

    def digest(self, size: Size | None = None) -> str:
        """Return the SHA-256 of what the table means: its tree of layers at input `size`.

        Tables that mean the same network have the same digest, however they are written.
        """
        return hashlib.sha256(written(self.layers(size)).encode()).hexdigest()

    def edit(self, *edits: str, scaled_later: bool = False) -> Spec:
        """Return the spec with edits `ROWS.FIELD=VALUE` made; raise `InputError` for a bad one.

        All edits of one call are made at once: a narrower selection overrides a wider one. An
        edit without which the others make the same network is refused. scaled_later: whether the
        width will be changed later on, so that a divisor says something even if it does not yet.
        """
        return edited(self, edits, scaled_later=scaled_later)

    def form(self, name: str) -> Spec:
        """Return the network in the form of that name, as a table of its own: no edits yet."""
        for form in self.forms:
            if form.name == name:
                after = edited(self, form.edits, idle=True)
                return dataclasses.replace(
                    after, name=f"{self.name}:{name}", forms=(), edits=(), dropped=()
                )
        if not self.forms:
            raise InputError(f"has no forms, and so none named '{name}'")
        raise unknown("form", name, [form.name for form in self.forms])

    def with_classes(self, classes: int) -> Spec:
        """Return the spec for data of so many classes (not an edit: the data asks for it)."""
        return dataclasses.replace(self, classes=classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON can hold it; `from_dict` reads it back."""
        head = {key: getattr(self, key) for key in ("name", "title", "source", "input")}
        head |= {key: getattr(self, key) for key in SPEC_RULES}
        rows = [{"id": row.id, "op": row.op, **row.cells()} for row in self.rows]
        return {**head, "input": list(self.input), **self._history(), "rows": rows}

    def _history(self) -> dict[str, Any]:
        return {"edits": list(self.edits), "dropped": list(self.dropped)}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Spec:
        """Return the spec that a TOML file (or `to_dict`) writes; raise `InputError`."""
        known = {field.name for field in dataclasses.fields(cls)}
        for key in table:
            if key not in known:
                raise unknown("key", key, sorted(known))
        for key in ("input", "classes", "rows"):
            if key not in table:
                raise InputError(f"the spec needs a value for '{key}'")
        values = dict(table)
        for key in ("name", "title", "source"):
            if not isinstance(values.setdefault(key, ""), str):
                raise InputError(f"{key}: {values[key]!r} is not a text")
        if not values["name"].isprintable():
            raise InputError(f"name: {values['name']!r} is not one line of text")
        values["input"] = _size(values["input"])
        values["rows"] = read_rows(values["rows"], OPS)
        values["forms"] = _forms(values.get("forms", {}))
        values["why"] = tuple(_why(entry) for entry in _list("why", values.get("why", ())))
        for key in ("edits", "dropped"):
            values[key] = tuple(str(text) for text in _list(key, values.get(key, ())))
        return cls(**values)


def _list(key: str, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise InputError(f"{key}: {value!r} is not a list")
    return value


def _size(value: Any) -> Size:
    sides = value if isinstance(value, list | tuple) else [value, value]
    if len(sides) != 2:
        raise InputError(f"input: {value!r} is no size; write 224 or [224, 224]")
    for side in sides:
        check_key("input", Whole(), side)
    return sides[0], sides[1]


def _forms(table: Any) -> tuple[Form, ...]:
    if not isinstance(table, dict):
        raise InputError('forms: write each as a table, such as [forms.cifar] with edits = ["..."]')
    forms = []
    for name, form in table.items():
        edits = form.get("edits") if isinstance(form, dict) else None
        if not isinstance(edits, list) or set(form) != {"edits"}:
            raise InputError(f'forms.{name}: needs edits = ["..."] and nothing else')
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InputError(f"forms: '{name}' is no name; use letters, digits, _ and -")
        forms.append(Form(name, tuple(str(edit) for edit in edits)))
    return tuple(forms)


def _why(entry: Any) -> Why:
    try:
        why = entry if isinstance(entry, Why) else Why(**entry)
    except TypeError:
        raise InputError(f"why: {entry!r} needs field, value, origin and reason") from None
    if why.origin not in ("source", "inferred"):
        raise unknown("origin", why.origin, ("source", "inferred")).within(f"why {why.field}")
    for key, value in vars(why).items():
        if not isinstance(value, str):
            raise InputError(f"why: {key} = {value!r} is not a text")
    return why


def to_toml(spec: Spec) -> str:
    """Return the spec as a TOML file that `load_spec` reads back, with every cell written out."""
    table = spec.to_dict()
    rows = table.pop("rows")
    for key in spec._history():
        del table[key]
    lines = [plain(f"# {spec.name} with {spec.label}")] if spec.edits else []
    lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    for form in spec.forms:
        lines += ["", f"[forms.{form.name}]", f"edits = {_toml(list(form.edits))}"]
    for why in () if spec.edits else spec.why:
        lines += ["", "[[why]]", *(f"{key} = {_toml(value)}" for key, value in vars(why).items())]
    for row in rows:
        lines += ["", "[[rows]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # JSON's texts, numbers, booleans and flat lists are TOML's as well, but for a bare DEL.
    return data(json.dumps(value, ensure_ascii=False))
