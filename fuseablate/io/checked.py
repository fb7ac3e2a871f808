"""Tables read from files, checked and frozen; what is wrong with one is said in one line.

What a user writes (a recipe, a study) is a `Schema`, read by `checked`. What fuseablate itself
wrote (records, manifests) is a dataclass, read by `read_as`; a rule over several of its fields is
an `InputError` of its `__post_init__`. Both report the file, the key, the value, the rule and the
nearest choice alike. Without torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from fuseablate.errors import InputError, unknown
from fuseablate.io.escaping import toml
from fuseablate.io.field_docs import field_docs
from fuseablate.io.reading import JSON_BYTES, parse_json, read_bytes


def _documented(schema: dict[str, Any], model: type[Any]) -> None:
    """Put the docs of a model's fields into its JSON Schema; a tag of a union must be given."""
    docs = field_docs(model)
    for name, key in schema["properties"].items():
        if name in docs:
            key["description"] = docs[name]
        if "const" in key:
            schema["required"] = sorted({*schema.get("required", ()), name})


class Schema(BaseModel):
    """A frozen table with a closed set of keys; "yes" is not a number and true is not 1."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        json_schema_extra=_documented,
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            for key in table:
                if key not in cls.model_fields:
                    raise unknown("key", key, cls.model_fields)
        return table

    def replace(self, **changes: object) -> Self:
        """Return a checked copy with some fields changed; an InputError names a bad one."""
        return checked(type(self), {**self.model_dump(), **changes})


def under(key: str, *kinds: type) -> Callable[[object], object]:
    """Return what makes a table of a bare value of these kinds, which stands under that key."""
    return lambda given: {key: given} if isinstance(given, kinds) else given


TableType = TypeVar("TableType", bound=Schema)


def checked(model: type[TableType], table: Mapping[str, object], place: str = "") -> TableType:
    """Return `table` as a `model`, or raise an InputError for the first thing wrong with it.

    `place` (a file, a flag) is put before the message.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problem = InputError(_one_line(error.errors()[0], table, in_toml=True))
        raise (problem.within(place) if place else problem) from None


Dataclass = TypeVar("Dataclass")
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # costly to make


def checked_dataclass(kind: type[Dataclass], table: object) -> Dataclass:
    """Return JSON's `table` as a `kind`, or raise an InputError for the first thing wrong.

    Types are as strict as in a `Schema`; keys that it does not know are passed over, so that files
    of later versions are read.
    """
    if not isinstance(table, Mapping):
        raise InputError("must be a table of names and values")
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    try:
        # As JSON, in which a list is a tuple and each key a text.
        instance = _ADAPTERS[kind].validate_json(json.dumps(table), strict=True)
    except ValidationError as error:
        raise InputError(_one_line(error.errors()[0], table)) from None
    return cast("Dataclass", instance)


def parse_as(
    kind: type[Dataclass],
    text: str | bytes,
    what: str,
    upgrade: Callable[[Any], Any] = lambda table: table,
) -> Dataclass:
    """Return JSON text as a `kind`; an `InputError` says why it is not `what`.

    upgrade: returns a table of an older version as this one writes it, and anything else as it is.
    """
    try:
        return checked_dataclass(kind, upgrade(parse_json(text)))
    except InputError as error:
        raise error.within(f"not {what}") from None


def read_as(
    kind: type[Dataclass],
    path: Path,
    what: str,
    upgrade: Callable[[Any], Any] = lambda table: table,
    most: int = JSON_BYTES,
) -> Dataclass:
    """Return the `kind` in a JSON file of at most `most` bytes; an `InputError` names the file.

    See `parse_as`.
    """
    content = read_bytes(path, most)
    try:
        return parse_as(kind, content, what, upgrade)
    except InputError as error:
        raise error.within(str(path)) from None


def only(version: int) -> AfterValidator:
    """Return the rule for a field that holds the version of a file's form."""

    def check(value: int) -> int:
        if value != version:
            raise InputError(f"this version of fuseablate reads {version}")
        return value

    return AfterValidator(check)


# In the words of the reference; pydantic's own are for the kinds of errors that are not here.
_RULES = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "mapping_type": "must be a table",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "dataclass_type": "must be a table",
    "string_type": "must be a text, in quotes",
}


def _one_line(error: ErrorDetails, table: Mapping[str, object], *, in_toml: bool = False) -> str:
    """Say one of pydantic's errors as `key = value: rule`."""
    key, value = _locate(error, table)
    if error["type"] == "missing":
        return f"{key}: missing; it must be given"
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        rule = str(context["error"])
        # A rule over the whole table names its keys itself, and so does an unknown key.
        if isinstance(value, Mapping):
            return f"{key}: {rule}" if key else rule
    elif choices := re.findall(r"'([^']*)'", str(context.get("expected_tags") or "")):
        return str(unknown(f"{key}.kind", context["tag"], choices))
    elif error["type"] == "union_tag_not_found":
        return f"{key}.kind: missing; it must be given"
    elif error["type"] == "literal_error":
        return str(unknown(key, value, re.findall(r"'([^']*)'", str(context["expected"]))))
    elif error["type"] in ("list_type", "tuple_type"):
        rule = "must be a list"
        if isinstance(value, Mapping) and in_toml:
            rule += "; each entry begins with [[" + re.sub(r"\[\d+\]", "", key) + "]]"
    elif error["type"] in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        bound = f"at least {least}" if most is None else f"at most {most}"
        rule = f"has {context['actual_length']} entries, and must have {bound}"
    else:
        rule = _RULES.get(error["type"]) or error["msg"].replace("Input should", "must", 1)
    return f"{key} = {toml(value)}: {rule}"


def _locate(error: ErrorDetails, table: Mapping[str, object]) -> tuple[str, object]:
    """Return the dotted key of an error, and the value there.

    Pydantic also puts the tag of a union's member into the location; a part that the user's
    table does not hold is such a tag, except for the last one of a key that is missing.
    """
    here: object = table
    parts: list[str] = []
    for index, part in enumerate(error["loc"]):
        last = index == len(error["loc"]) - 1
        if isinstance(here, Mapping) and part in here:
            here = here[part]
            parts.append(f".{part}")
        elif isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
            here = here[part]
            parts.append(f"[{part}]")
        elif last and error["type"] == "missing":
            parts.append(f"[{part}]" if isinstance(part, int) else f".{part}")
    return "".join(parts).removeprefix("."), here
