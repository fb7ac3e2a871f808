"""The JSON Schema of each file that users write, from the types that check it. Without torch."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fuseablate.data import DATA_SETS
from fuseablate.errors import unknown
from fuseablate.io.checked import Schema
from fuseablate.io.field_docs import field_docs
from fuseablate.ops import OPS
from fuseablate.ops.fields import COMMON_DOCS, JsonSchema
from fuseablate.ops.regnet import GENERATORS, RegNet
from fuseablate.ops.row import Fields
from fuseablate.ops.table import DEPTH
from fuseablate.recipes import AUGMENTATIONS, OPTIMIZER_CLASSES, Recipe
from fuseablate.spec import Spec
from fuseablate.spec.keys import SPEC_RULES
from fuseablate.studies.schema import DataSource, StudyFile

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXT: JsonSchema = {"type": "string"}
TEXTS: JsonSchema = {"type": "array", "items": TEXT}
VAL_DOC = field_docs(DataSource)["val"]
POSITIVE: JsonSchema = {"type": "integer", "minimum": 1}


def study_schema() -> JsonSchema:
    """Return the schema of a study file."""
    study, recipe = _of_model(StudyFile), _recipe()
    named = {**recipe["properties"], "base": _doc(TEXT, "A recipe, by name or path.")}
    changes = _table(named, doc="A recipe and what is changed of it.")
    study["$defs"] |= {**recipe.get("$defs", {}), "Recipe": changes, "Data": _data()}
    for key, table in (("recipe", "Recipe"), ("data", "Data")):
        study["properties"][key] |= {"anyOf": [TEXT, {"$ref": f"#/$defs/{table}"}]}
        for other in ("$ref", "type", "additionalProperties"):
            study["properties"][key].pop(other, None)
    study["properties"]["recipe"]["default"] = "standard"
    level = study["$defs"]["Level"]["properties"]["recipe"]
    level |= {"properties": recipe["properties"], "additionalProperties": False}
    return study


def recipe_schema() -> JsonSchema:
    """Return the schema of a recipe file: whole, or with a base and what it changes of it."""
    recipe = _recipe()
    needed = recipe.pop("required")
    recipe["properties"] = {
        "base": _doc(TEXT, "Another recipe, by name or path, of which this one changes the rest."),
        **recipe["properties"],
    }
    recipe["description"] += " With a `base`, what is changed of that."
    recipe["anyOf"] = [{"required": ["base"]}, {"required": needed}]
    return recipe


def _recipe() -> JsonSchema:
    """Return the schema of a recipe's keys, with the names that are known now."""
    recipe = _of_model(Recipe)
    recipe["properties"]["optimizer"] |= {"enum": [*OPTIMIZER_CLASSES]}
    names = {"enum": [*AUGMENTATIONS]}
    recipe["$defs"]["Augmentation"]["properties"]["name"] |= names
    recipe["properties"]["augment"]["items"]["anyOf"][0] = names
    return recipe


def spec_schema() -> JsonSchema:
    """Return the schema of a spec's file: a table of rows, or a base with edits."""
    docs = field_docs(Spec)
    rules = {key: {**rule.schema(), "default": _default(key)} for key, rule in SPEC_RULES.items()}
    del rules["classes"]["default"]
    keys = {
        "name": TEXT,
        "title": TEXT,
        "source": TEXT,
        "input": {
            "anyOf": [POSITIVE, {"type": "array", "items": POSITIVE, "minItems": 2, "maxItems": 2}]
        },
        **rules,
        "base": TEXT,
        "edits": TEXTS,
        "plugins": TEXTS,
        "dropped": TEXTS,
        "forms": {"type": "object", "additionalProperties": {"$ref": "#/$defs/form"}},
        "why": {"type": "array", "items": {"$ref": "#/$defs/why"}},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}, "minItems": 1},
    }
    origins: JsonSchema = {"enum": ["source", "inferred"]}
    why = dict.fromkeys(("field", "value", "reason"), TEXT) | {"origin": origins}
    ops = {name: op_schema(name) for name in (*OPS, *GENERATORS)}
    chosen = [
        {
            "if": {"properties": {"op": {"const": name}}, "required": ["op"]},
            "then": {"$ref": f"#/$defs/{name}"},
        }
        for name in ops
    ]
    row = {
        "type": "object",
        "properties": {"op": _doc({"enum": [*ops]}, "What it does.")},
        "required": ["op"],
    }
    said = {key: _doc(schema, SPEC_DOCS.get(key) or docs[key]) for key, schema in keys.items()}
    return {
        **_table(said, doc="A network as a table of rows, or `edits` of a `base`."),
        "anyOf": [{"required": ["base", "edits"]}, {"required": ["input", "classes", "rows"]}],
        "$defs": {
            "row": {**row, "allOf": chosen, "description": "One row; its op says what it takes."},
            "form": _table(
                {"edits": _doc(TEXTS, "`ROWS.FIELD=VALUE`.")}, ["edits"], "Named edits."
            ),
            "why": _table(why, [*why], "Where a choice of the spec comes from."),
            **ops,
        },
    }


# Where the doc of a file's key is not that of the spec's field.
SPEC_DOCS = {
    "name": "What reports call it; by default the file's name.",
    "title": "What it is, in a few words.",
    "source": "Where it was published.",
    "input": "The images' height and width, in pixels: 224, or [224, 160].",
    "classes": 'What the row with `out = "classes"` puts out.',
    "base": "Another table, by name or path, of which this one is an edit.",
    "edits": "The edits of the base, `ROWS.FIELD=VALUE`.",
    "plugins": "Python files of one's own parts, from the table's folder.",
    "forms": "Forms for other data, by name: edits, as in `[forms.cifar]`.",
    "why": "Which choices the source makes, and which were inferred.",
    "rows": "The network, row by row.",
}


def op_schema(name: str) -> JsonSchema:
    """Return the schema of a row of the op `name`; an `InputError` names the nearest."""
    if name not in OPS and name not in GENERATORS:
        raise unknown("op", name, (*OPS, *GENERATORS))
    if name in GENERATORS:
        own, rest = fields_schema(RegNet), op_schema("bottle")
        properties = {
            key: schema
            for key, schema in (rest["properties"] | own["properties"]).items()
            if key not in ("id", "out")
        }
        return _table(
            {**properties, "op": {"const": name}},
            sorted({*own["required"], *rest["required"]} & properties.keys() - {"inner"}),
            "Stages whose widths and depths the RegNet rule generates, each rows of op `bottle`.",
        )
    kind = OPS[name]
    row = fields_schema(kind)
    head: JsonSchema = {
        "op": {"const": name},
        "id": _doc({"type": ["string", "integer"]}, "Its id in edits; by default its number."),
    }
    if kind.repeats:
        depth = DEPTH.schema() | {"default": 1}
        head["depth"] = _doc(depth, "Repeats of the row; only the first strides.")
    return row | {"properties": head | row["properties"], "required": ["op", *row["required"]]}


def fields_schema(kind: type[Fields]) -> JsonSchema:
    """Return the schema of the fields of a row or of a part of one."""
    docs = {**COMMON_DOCS, **field_docs(kind)}
    properties: JsonSchema = {}
    for name, rule in kind.own_rules().items():
        default = kind.defaults().get(name)
        known = {} if default is None else {"default": default}
        properties[name] = _doc(rule.schema() | known, docs.get(name, ""))
    for name, part in kind.parts().items():
        properties[name] = fields_schema(part)
        properties[name]["description"] = properties[name]["description"].partition("\n")[0]
    needed = [name for name in kind.own_rules() if name not in kind.defaults()]
    return _table(properties, needed, inspect.getdoc(kind) or "")


def _data() -> JsonSchema:
    """Return the schema of a table of `data`: a set's name, and the arguments of that set."""
    forms = []
    for name, data in DATA_SETS.items():
        arguments: JsonSchema = {}
        for key, count in data.arguments.items():
            bounds = {"minimum": count.least, "maximum": count.most, "default": count.default}
            given: JsonSchema = {rule: bound for rule, bound in bounds.items() if bound is not None}
            if count.least == count.most:
                given = {"enum": [count.least]}
            arguments[key] = _doc({"type": "integer", **given}, count.doc)
        needed = [key for key, count in data.arguments.items() if count.default is None]
        keys = {"name": {"const": name}, **arguments, "val": _doc({"enum": [0]}, VAL_DOC)}
        forms.append(_table(keys, ["name", *needed], data.title))
    return {"oneOf": forms, "description": "A data set with arguments of its own."}


def _default(key: str) -> object:
    return next(field.default for field in dataclasses.fields(Spec) if field.name == key)


def _doc(schema: JsonSchema, doc: str) -> JsonSchema:
    return {"description": doc, **schema} if doc else dict(schema)


def _table(properties: JsonSchema, required: list[str] | None = None, doc: str = "") -> JsonSchema:
    table = {"type": "object", "properties": properties, "required": required or []}
    return _doc({**table, "additionalProperties": False}, doc)


def _of_model(model: type[Schema]) -> JsonSchema:
    schema: JsonSchema = _without_null(model.model_json_schema())
    return schema


def _without_null(schema: Any) -> Any:
    """Return pydantic's schema as TOML needs it: without null, which it lacks, and no titles."""
    if isinstance(schema, list):
        return [_without_null(entry) for entry in schema if entry != {"type": "null"}]
    if not isinstance(schema, Mapping):
        return schema
    kept = {
        key: _without_null(entry)
        for key, entry in schema.items()
        if not (key == "title" and isinstance(entry, str))
        and not (key == "default" and entry in (None, "", [], {}))
        and key != "discriminator"
    }
    if len(kept.get("anyOf", ())) == 1:
        (only,) = kept.pop("anyOf")
        kept = {**only, **kept}
    return kept


def _whole(make: Callable[[], JsonSchema]) -> Callable[[], JsonSchema]:
    return lambda: {"$schema": DRAFT, **make()}


SCHEMAS: Mapping[str, Callable[[], JsonSchema]] = {
    "study": _whole(study_schema),
    "recipe": _whole(recipe_schema),
    "spec": _whole(spec_schema),
}
"""What makes the schema of each kind of file."""
