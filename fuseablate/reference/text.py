"""The reference as text: each table of a file, and what its keys take. Without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fuseablate.io.terminal import named_table
from fuseablate.ops import OPS
from fuseablate.ops.fields import JsonSchema
from fuseablate.ops.regnet import GENERATORS
from fuseablate.reference.schemas import op_schema

WORDS: Mapping[str, str] = {
    "integer": "whole number", "number": "number", "string": "text", "boolean": "true or false",
    "object": "table",
}  # fmt: skip
NO_BOUND = 1_000_000  # a limit that nobody meets is not said


@dataclass(frozen=True)
class Key:
    """A key of a table."""

    name: str
    takes: str
    """What its values are, and its default, in words."""
    doc: str


@dataclass(frozen=True)
class KeyTable:
    """A table of a file."""

    head: str
    """As TOML writes it, such as `[[factors]]`; empty for the file itself."""
    doc: str
    keys: tuple[Key, ...]


def tables(schema: JsonSchema) -> list[KeyTable]:
    """Return the tables of a file, each before those within it; equal ones once."""
    return list(_tables(schema, "", schema.get("$defs", {}), set()))


def print_reference(schema: JsonSchema, out: Console) -> None:
    """Print each table of a file with its keys, folded to the width of the terminal."""
    for number, table in enumerate(tables(schema)):
        if number:
            out.print()
        if table.head:
            out.print(Text(table.head, "bold"))
        if table.doc:
            out.print(Text(table.doc))
        for key in table.keys:
            line = Text.assemble((key.name, "bold cyan"), f": {key.takes}")
            out.print(Padding(line, (0, 0, 0, 2), expand=False))
            if key.doc:
                out.print(Padding(Text(key.doc, "dim"), (0, 0, 0, 6), expand=False))


def op_list() -> Table:
    """Return a table of all ops and what each is."""
    listed = named_table("Op")
    listed.add_column("What a row of it is", overflow="fold")
    for name in (*OPS, *GENERATORS):
        listed.add_row(name, str(op_schema(name)["description"]).partition("\n")[0])
    return listed


def _tables(schema: JsonSchema, path: str, defs: JsonSchema, seen: set[str]) -> Iterator[KeyTable]:
    always = schema.get("required", [])
    required = always or _otherwise_required(schema)
    must = "must be given" if always else "must be given where there is no `base`"
    properties = schema["properties"]
    names = sorted(properties, key=lambda name: name not in required)
    tag = "".join(
        f", {name} = {json.dumps(properties[name]['const'])}"
        for name in names
        if "const" in properties[name] and path
    )
    yield KeyTable(
        f"{path}{tag}",
        _folded(schema.get("description", "")),
        tuple(_key(name, properties[name], must * (name in required), defs) for name in names),
    )
    for name in properties:
        inner = f"{path.strip('[]')}.{name}" if path else name
        for many, table in _inside(properties[name], defs):
            known = json.dumps(table)
            if known not in seen:
                seen.add(known)
                head = f"[[{inner}]]" if many else f"[{inner}]"
                yield from _tables(table, head, defs, seen)


def _otherwise_required(schema: JsonSchema) -> list[str]:
    """Return the keys that a file must give which has no `base`."""
    return [key for form in schema.get("anyOf", ())[1:] for key in form["required"]]


def _inside(schema: JsonSchema, defs: JsonSchema) -> Iterator[tuple[bool, JsonSchema]]:
    """Return the tables that a key's values are, and whether it holds a list of them."""
    if "properties" in schema:
        yield False, schema
    if "$ref" in schema:
        yield from _inside(_referred(schema, defs), defs)
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "properties" in form or "$ref" in form:
            yield from _inside(form, defs)
    if isinstance(schema.get("items"), Mapping):
        yield from ((True, table) for _, table in _inside(schema["items"], defs))


def _referred(schema: Mapping[str, Any], defs: JsonSchema) -> JsonSchema:
    referred: JsonSchema = defs[schema["$ref"].rpartition("/")[2]]
    return referred


def _key(name: str, schema: JsonSchema, must: str, defs: JsonSchema) -> Key:
    """must: that it is to be given, and when; empty for a key that may be left out."""
    given = ""
    if must and "const" not in schema:
        given = f"; {must}"
    elif default := _default(schema):
        given = f"; default {default}"
    return Key(name, _takes(schema, defs) + given, schema.get("description", ""))


def _default(schema: JsonSchema) -> str:
    default = schema.get("default")
    if isinstance(default, Mapping):  # a table, as TOML writes it
        pairs = ", ".join(f"{k} = {json.dumps(v)}" for k, v in default.items() if v is not None)
        return f"{{ {pairs} }}"
    return "" if default is None else json.dumps(default)


def _takes(schema: Mapping[str, Any], defs: JsonSchema) -> str:
    """Say in words which values a schema permits."""
    if "const" in schema or "enum" in schema:
        return " | ".join(map(json.dumps, schema.get("enum", [schema.get("const")])))
    if "$ref" in schema:
        return _takes(_referred(schema, defs), defs)
    forms = schema.get("anyOf", schema.get("oneOf"))
    if forms and "properties" not in schema:
        return ", or ".join(dict.fromkeys(_takes(form, defs) for form in forms))
    if "examples" in schema:
        return "text such as " + " or ".join(map(json.dumps, schema["examples"]))
    if schema.get("type") == "array":
        several = schema.get("items")
        return "list" + (f" of: {_takes(several, defs)}" if isinstance(several, Mapping) else "")
    kinds = schema.get("type", "object" if forms else ())
    words = " or ".join(WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    return " ".join(filter(None, (words or "any value", _bounds(schema))))


def _bounds(schema: Mapping[str, Any]) -> str:
    said = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "exclusiveMaximum": "below {}",
    }
    bounds = {key: schema[key] for key in said if key in schema}
    if bounds.get("maximum", 0) >= NO_BOUND:
        del bounds["maximum"]
    return " ".join(said[key].format(f"{bound:g}") for key, bound in bounds.items())


def _folded(doc: str) -> str:
    """Return a docstring without the breaks within its paragraphs; items of lists keep theirs."""
    return re.sub(r"(?<!\n)\n(?!\n|[0-9-])\s*", " ", doc)
