"""The spec: a table with its name, sources, forms and edits; read from and written to TOML."""

from __future__ import annotations

import dataclasses
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuseablate.errors import InputError, unknown
from fuseablate.io.display import Displayed
from fuseablate.io.escaping import plain, toml
from fuseablate.layers import definitions
from fuseablate.ops import OPS
from fuseablate.ops.table import read_rows
from fuseablate.plugins import file_of
from fuseablate.spec.editor import Editor
from fuseablate.spec.edits import OF_IMAGES, Edit
from fuseablate.spec.keys import SPEC_RULES, Size
from fuseablate.spec.table import InferredRow, Table


@dataclass(frozen=True)
class Why:
    """Where one choice of a spec comes from."""

    field: str
    value: str
    origin: str
    """`source` or `inferred`."""
    reason: str


@dataclass(frozen=True)
class Form:
    """Edits that have a name: the network in a form for other data, such as `cifar`."""

    name: str
    edits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Spec(Table, Displayed, view="fuseablate.show:print_spec"):
    """A table with a name, where it comes from, and what was changed in it.

    Nothing here says anything about the function.
    """

    name: str
    title: str = ""
    source: str = ""
    why: tuple[Why, ...] = ()
    forms: tuple[Form, ...] = ()
    edits: tuple[str, ...] = ()
    """What was changed since the table was read, as text."""
    dropped: tuple[str, ...] = ()
    """Fields that a change of op did away with."""

    @property
    def label(self) -> str:
        """The edits as one text, with the fields that fell away; empty for the published table."""
        without = f" (without {', '.join(self.dropped)})" if self.dropped else ""
        return " ".join(self.edits) + without

    @property
    def called(self) -> str:
        """The name, and behind it the edits."""
        return f"{self.name} {self.label}".strip()

    def infer(self, size: Size | None = None) -> tuple[InferredRow, ...]:
        """Return each row at input `size` (H, W); an `InputError` names the spec and the size."""
        try:
            return super().infer(size)
        except InputError as error:
            if size is None:  # the table itself is wrong, and who reads it says where it stands
                raise
            raise error.within(f"{self.name} at {size[0]}x{size[1]}") from None

    def edit(self, *edits: str, scaled_later: bool = False) -> Spec:
        """Return the spec with edits `ROWS.FIELD=VALUE` made; raise `InputError` for a bad one.

        All edits of one call are made at once: a narrower selection overrides a wider one. An
        edit without which the others make the same network is refused. scaled_later: whether the
        width will be changed later on, so that a divisor says something even if it does not yet.
        """
        return self._edited(edits, scaled_later=scaled_later)

    def edit_sampled(self, *edits: str, scaled_later: bool = False) -> Spec:
        """Return the spec with those of the edits made that change the network.

        `edit` refuses an edit that changes nothing, since a person who writes one has most likely
        slipped. Combinations of levels and sampled values hold such edits rightly: row 5 set to
        the kernel that it has, or a stem whose channels a width rounds to the same. Each is judged
        among all the others. scaled_later is `edit`'s. Raise `InputError` for any other fault.
        """
        return self._edited(edits, idle=True, scaled_later=scaled_later)

    def _edited(self, texts: tuple[str, ...], **how: bool) -> Spec:
        for text in texts:
            if not isinstance(text, str):  # a list, where nobody has mypy say so
                raise InputError(
                    f"edit {reprlib.repr(text)}: is not a text, such as 'fuse.kernel=5'; "
                    "hand over those of a list as edit(*edits)"
                )
        after, edited = Editor(self).edit(texts, **how)
        if not edited.edits:
            return self
        return dataclasses.replace(
            after,
            edits=self.edits + tuple(edit.text for edit in edited.edits),
            dropped=tuple(dict.fromkeys((*self.dropped, *edited.dropped))),
        )

    def check_size(self, size: Size) -> None:
        """Refuse an edit of the input where the data say that images are of another size (H, W)."""
        if self.input == size:
            return
        for edit in map(Edit.parse, self.edits):
            if edit.target in OF_IMAGES:
                rest = "; scale.depth and scale.width do the rest" if edit.field == "phi" else ""
                raise InputError(
                    f"edit '{edit.text}': the data's images are {size[0]}x{size[1]}, and are taken "
                    f"as they are; leave the edit out{rest}"
                )

    def form(self, name: str) -> Spec:
        """Return the network in the form of that name, as a table of its own: no edits yet."""
        for form in self.forms:
            if form.name == name:
                return dataclasses.replace(
                    self.edit_sampled(*form.edits),
                    name=f"{self.name}:{name}",
                    forms=(),
                    edits=(),
                    dropped=(),
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
        rows = [{"id": row.id, "op": row.op, **row.values()} for row in self.rows]
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
        raise InputError(f"input: {value!r} is not a size; write 224 or [224, 224]")
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
            raise InputError(f"forms: '{name}' is not a name; use letters, digits, _ and -")
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
    """Return the spec as a TOML file that `load_spec` reads back, with every field written out.

    The plug-ins that it needs stand there by their whole paths, so that it may lie anywhere.
    """
    table = spec.to_dict()
    rows = table.pop("rows")
    for key in spec._history():
        del table[key]
    lines = [plain(f"# {spec.name} with {spec.label}")] if spec.edits else []
    parts = (*map(type, spec.rows), *definitions(spec.layers()))
    if files := sorted({file for part in parts if (file := file_of(part))}):
        lines.append(f"plugins = {toml(files)}")
    lines += [f"{key} = {toml(value)}" for key, value in table.items()]
    for form in spec.forms:
        lines += ["", f"[forms.{form.name}]", f"edits = {toml(list(form.edits))}"]
    for why in () if spec.edits else spec.why:
        lines += ["", "[[why]]", *(f"{key} = {toml(value)}" for key, value in vars(why).items())]
    for row in rows:
        lines += ["", "[[rows]]", *(f"{key} = {toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"
