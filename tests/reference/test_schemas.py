"""The JSON Schemas, held against the files that ship and against broken ones, by `jsonschema`."""

from __future__ import annotations

import functools
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fuseablate.errors import InputError
from fuseablate.ops import OPS
from fuseablate.recipes import load_recipe
from fuseablate.reference import SCHEMAS, op_schema
from fuseablate.spec import Spec, load_spec
from fuseablate.studies import load_study
from tests.helpers.paths import REPOSITORY

FOLDERS = {
    "study": REPOSITORY / "studies",
    "recipe": REPOSITORY / "fuseablate" / "recipes",
    "spec": REPOSITORY / "fuseablate" / "spec" / "published",
}
LOADERS: dict[str, Any] = {"study": load_study, "recipe": load_recipe, "spec": load_spec}


@functools.cache
def validator(kind: str) -> Draft202012Validator:
    schema = SCHEMAS[kind]()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(kind: str, text: str) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_shipped_file_fits_its_schema_and_names_it(kind: str) -> None:
    paths = sorted(FOLDERS[kind].glob("*.toml"))
    assert paths
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert faults(kind, text) == [], path
        directive, _, place = text.partition("\n")[0].partition(" ")
        assert directive == "#:schema"
        assert (path.parent / place).is_file()


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_schema_beside_the_files_is_the_one_that_the_types_mean(kind: str) -> None:
    """Write it anew by `fuseablate schema KIND > FOLDER/KIND.schema.json`."""
    text = (FOLDERS[kind] / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == SCHEMAS[kind]()


# What is put in the place of which text of a shipped file, after which it is no longer valid.
BROKEN = [
    ("study", "se", 'design = "one-factor"', 'design = "one_factor"'),
    ("study", "se", "seeds = [0, 1, 2, 3, 4]", "seeds = [0, -1]"),
    ("study", "se", "seeds = [0, 1, 2, 3, 4]", "seeds = { each = 0 }"),
    ("study", "se", "epochs = 20", 'epochs = "20"'),
    ("study", "se", "epochs = 20", "epoch = 20"),
    ("study", "se", 'name = "off", ', ""),
    ("study", "se", 'data = "cifar100"', 'data = { name = "generated", images = 3 }'),
    ("study", "se", 'question = "What', 'aim = "What'),
    ("study", "search", 'sampler = "tpe"', 'sampler = "bayes"'),
    ("study", "search", 'macs = "baseline"', 'macs = "4.2 M"'),
    ("study", "search", 'kind = "float"', 'kind = "number"'),
    ("study", "search", "low = 0.5", "from = 0.5"),
    ("study", "search", "finalists = { seeds = [3, 4, 5] }", "finalists = {}"),
    ("recipe", "standard", "lr = 0.05", "lr = 0"),
    ("recipe", "standard", "momentum = 0.9", "momentum = 1.0"),
    ("recipe", "standard", 'kind = "cosine"', 'kind = "cosinus"'),
    ("recipe", "standard", 'kind = "cosine"', ""),
    ("recipe", "standard", "batch_size = 128\n", ""),
    ("recipe", "standard", 'optimizer = "sgd"', 'optimizer = "sdg"'),
    ("recipe", "standard", "lr = 0.05", 'lr = 0.05\naugment = ["RandAugmentt"]'),
    ("spec", "fusenet", 'op = "fuse", kernel = 3, exp = 72', 'op = "fusse", kernel = 3, exp = 72'),
    ("spec", "fusenet", 'op = "fuse", kernel = 3, exp = 72', 'op = "fuse", kernel = 0, exp = 72'),
    ("spec", "fusenet", 'op = "fuse", kernel = 3, exp = 72', 'op = "fuse", kernel = 3, width = 72'),
    ("spec", "fusenet", 'op = "fuse", kernel = 3, exp = 72', 'op = "fuse", kernel = 3, exp = "x2"'),
    ("spec", "fusenet", 'op = "fuse", kernel = 3, exp = 72', 'op = "fuse", exp = 72'),
    ("spec", "fusenet", "dropout = 0.2", "dropout = 1"),
    ("spec", "fusenet", "classes = 100\n", ""),
    ("spec", "inception_v3", 'kernel = "1x1"', 'kernel = "1x"'),
]


@pytest.mark.parametrize(("kind", "name", "right", "wrong"), BROKEN)
def test_what_is_refused_when_it_is_read_is_a_fault_by_the_schema(
    kind: str, name: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = (FOLDERS[kind] / f"{name}.toml").read_text(encoding="utf-8")
    assert right in text
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(InputError):
        LOADERS[kind](broken)
    assert faults(kind, broken.read_text(encoding="utf-8"))


# Other ways to write what a schema describes as one of several.
WRITTEN = [
    ("study", 'title = "t"\nquestion = "q"\ndata = { name = "generated", classes = 10 }\n'
     'recipe = "quick"\nseeds = { first = 3, step = 2, most = 9 }\ndesign = "per-row"\n'
     'rows = "fuse"\nedit = "se=false"\niso = "macs"\n'),
    ("recipe", 'base = "standard"\nepochs = 5\n[schedule]\nkind = "onecycle"\n'),
    ("spec", 'base = "fusenet"\nedits = ["all.se=false"]\nplugins = []\n'),
    ("study", 'title = "t"\nquestion = "q"\ndata = "cifar10"\nseeds = [0]\ndesign = "per-row"\n'
     'rows = "fuse"\nedit = "se=false"\nplugins = []\n'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), WRITTEN)
def test_what_is_read_is_right_by_the_schema(kind: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    LOADERS[kind](path)
    assert faults(kind, text) == []


def undocumented(schema: Any, place: str) -> list[str]:
    """Return the properties that say nothing of themselves."""
    missing = []
    for name, entry in schema.get("properties", {}).items():
        if "description" not in entry and "const" not in entry:
            missing.append(f"{place}.{name}")
        missing += undocumented(entry, f"{place}.{name}")
    return missing


def test_every_key_has_a_doc() -> None:
    missing = []
    for kind in FOLDERS:
        schema = SCHEMAS[kind]()
        missing += undocumented(schema, kind)
        for name, table in schema["$defs"].items():
            if name not in ("Data", "why"):
                missing += undocumented(table, name)
    assert missing == []


def test_a_row_as_the_table_writes_it_fits_the_schema_of_its_op() -> None:
    for name in ("fusenet", "inception_v3", "googlenet", "densenet121", "convnext_tiny"):
        for row in Spec.to_dict(load_spec(name))["rows"]:
            nested: dict[str, Any] = {}
            for key, value in row.items():
                part, _, inner = key.partition(".")
                if inner:
                    nested.setdefault(part, {})[inner] = value
                else:
                    nested[key] = value
            errors = Draft202012Validator(op_schema(row["op"])).iter_errors(nested)
            assert [error.message for error in errors] == [], (name, row["id"])


def test_every_op_has_a_schema_that_names_its_fields() -> None:
    for name, kind in OPS.items():
        properties = op_schema(name)["properties"]
        assert set(kind.own_rules()) <= set(properties)
