"""A variant is what its digest says: networks of one name never share a row or a number."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.cost.costs import measure
from fuseablate.report import analyse, of_records, of_study
from fuseablate.report.files import WRITERS
from fuseablate.runs.identity import differing
from fuseablate.runs.record import Record
from fuseablate.runs.store import Store, content_digest
from fuseablate.spec.spec import Spec
from tests.helpers.comparisons import planned, shown, study, written
from tests.helpers.records import record
from tests.helpers.small_run import small_spec

SIZE = (16, 16)
DATA = {"name": "generated", "image_size": [16, 16]}
RECIPE = {"epochs": 2, "lr": 0.1}


def trained(spec: Spec, seed: int, top1: float, **changes: object) -> Record:
    """A record with the digest that training would give it."""
    cost = measure(spec, SIZE)
    values: dict[str, object] = {
        "spec_name": spec.name, "label": spec.label, "edits": spec.edits,
        "spec": json.loads(json.dumps(spec.to_dict())), "recipe": RECIPE, "data": DATA,
        "data_title": "generated", "params": cost.params, "macs": cost.macs, **changes,
    }  # fmt: skip
    made = record(seed, top1, **values)
    network = spec.digest(SIZE)
    digest = content_digest(network, made.recipe, made.data, seed)
    return dataclasses.replace(made, digest=digest)


def named(name: str, *edits: str) -> Spec:
    return dataclasses.replace(small_spec().edit(*edits), name=name, edits=(), dropped=())


# Two files that differ in a kernel, and one and the same edit of both.
A, B = named("a"), named("b", "1.kernel=5")
TWO_FILES = [
    *(trained(A, seed, top1) for seed, top1 in enumerate((0.40, 0.42))),
    *(trained(A.edit("all.se=false"), seed, top1) for seed, top1 in enumerate((0.50, 0.53))),
    *(trained(B.edit("all.se=false"), seed, top1) for seed, top1 in enumerate((0.39, 0.40))),
]
# One file that was edited between two trainings.
ONE_NAME = [
    trained(spec, seed, top1)
    for spec, tops in ((named("mine"), (0.40, 0.42)), (named("mine", "1.kernel=5"), (0.50, 0.53)))
    for seed, top1 in enumerate(tops)
]


def test_two_networks_with_the_same_edits_are_two_rows() -> None:
    (comparison,) = of_records(TWO_FILES)
    (section,) = analyse(comparison).sections
    # 41 is the mean of 40 and 42, 51.5 that of 50 and 53, 39.5 that of 39 and 40.
    deltas = {row.variant.name: row.delta for row in section.variants[1:]}
    assert {name: delta and delta.mean for name, delta in deltas.items()} == pytest.approx(
        {"a all.se=false": 10.5, "b all.se=false": -1.5}
    )
    analysis = section.statistics.analysis
    assert analysis
    assert analysis.comparisons == 2
    # The variance is pooled over all three: residuals of (40 42), (50 53), (39 40) after rows
    # and columns are -+(1 - 1, 1.5 - 1, 0.5 - 1): 2 * (0 + 0.25 + 0.25) / 2 degrees of freedom.
    assert analysis.sd == pytest.approx(0.5**0.5)
    rows = list(csv.DictReader(io.StringIO(written("csv", comparison))))
    assert [float(row["delta"]) for row in rows[1:]] == pytest.approx([10.5, -1.5])


@pytest.mark.parametrize("form", [*WRITERS, "table", "plot"])
def test_what_is_called_alike_is_told_apart_in_every_form(form: str) -> None:
    comparisons = of_records(ONE_NAME)
    names = [variant.name for variant in comparisons[0].variants]
    digests = [named("mine").digest(SIZE)[:8], named("mine", "1.kernel=5").digest(SIZE)[:8]]
    assert names == [f"mine ({digest})" for digest in digests]
    text = written(form, *comparisons)
    assert all(name in text for name in names)
    if form == "table":
        legend = re.search(r"^(.*)\. Capitals", text, re.MULTILINE)
        assert legend is None  # two points are no plot
        assert f"mine ({digests[1]}): not told" in text or f"mine ({digests[1]}) " in text


def test_letters_and_legend_of_networks_of_one_name() -> None:
    third = [trained(named("mine", "2.exp=64"), seed, 0.6 + seed / 100) for seed in (0, 1)]
    comparisons = of_records([*ONE_NAME, *third])
    text = shown(comparisons[0], 140)
    (legend,) = re.findall(r"^(.*)\. Capitals", text, re.MULTILINE)
    names = [variant.name for variant in comparisons[0].variants]
    assert [part[2:] for part in legend.split(", ")] == names
    assert [part[0].lower() for part in legend.split(", ")] == ["a", "b", "c"]


def test_one_network_under_two_names_is_one_variant() -> None:
    runs = [trained(named("a"), 0, 0.4), trained(named("other"), 1, 0.42)]
    (comparison,) = of_records(runs)
    assert [len(variant.runs) for variant in comparison.variants] == [2]


def test_a_table_of_another_version_is_reported_and_mixed_with_no_other() -> None:
    known = trained(A, 0, 0.4)
    op = {**known.spec, "rows": [{**row, "op": "gone"} for row in known.spec["rows"]]}
    # What a table is called, and how it was written, is not what it is.
    words = {"name": "b", "title": "B", "source": "b", "edits": ["1.out=8"], "dropped": ["1.out"]}
    gone = [
        dataclasses.replace(known, spec={**op, **more}, seed=seed, digest=f"{seed}" * 64)
        for seed, more in ((1, {}), (2, words))
    ]
    # The same table, but the run's digest says that another network was trained.
    changed = dataclasses.replace(known, seed=3, digest="e" * 64)
    (comparison,) = of_records([known, *gone, changed])
    assert [[run.seed for run in variant.runs] for variant in comparison.variants] == [
        [0],
        [1, 2],
        [3],
    ]
    assert len({variant.name for variant in comparison.variants}) == 3


def test_recipes_and_data_of_one_name_are_told_apart() -> None:
    other = {**RECIPE, "lr": 0.05, "schedule": {"kind": "cosine", "warmup": 1}}
    split = {**DATA, "split_seed": 7}
    comparisons = of_records(
        [trained(A, 0, 0.4), trained(A, 0, 0.5, recipe=other), trained(A, 0, 0.6, data=split)]
    )
    settings = [comparison.setting for comparison in comparisons]
    assert len(set(settings)) == 3
    assert "lr=0.1, schedule.kind=none, schedule.warmup=none" in settings[0]
    assert "lr=0.05, schedule.kind=cosine, schedule.warmup=1" in settings[1]
    assert "split_seed=7" in settings[2]
    for form in ("csv", "markdown", "latex", "html", "table", "json"):
        assert "split" in written(form, *comparisons), form
    rows = list(csv.DictReader(io.StringIO(written("csv", *comparisons))))
    assert len({row["comparison"] for row in rows}) == 3


def test_a_value_of_more_than_24_characters_is_told_by_its_digest() -> None:
    tables = [
        {"data": {"root": letter * length}, "epochs": 9}
        for letter, length in (("a", 24), ("b", 25))
    ]
    digest = hashlib.sha256(b"b" * 25).hexdigest()[:8]
    assert differing(tables) == [f"data.root={'a' * 24}", f"data.root={digest}"]


def test_levels_whose_specs_have_one_name() -> None:
    base = planned("baseline", "", (10, 10), 0.40, 0.41)
    nets = [planned(f"net={side}", "", (20, 20), *tops, spec="mine")
            for side, tops in (("a", (0.45, 0.47)), ("b", (0.35, 0.36)))]  # fmt: skip
    manifest, records = study("one-factor", base, *nets)
    comparison = of_study(manifest, records.get)
    names = [(variant.name, variant.beneath) for variant in comparison.variants]
    assert names == [("baseline", ""), ("net=a", "mine"), ("net=b", "mine")]
    assert len({variant.key for variant in comparison.variants}) == 3


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run in (*TWO_FILES, *ONE_NAME):
        with Store(tmp_path).open(run.digest) as folder:
            folder.write("record.json", run.to_json())
    assert main(["report", "--runs", str(tmp_path), "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert [len(variant["runs"]) for variant in table["variants"]] == [2, 2, 2, 2]


def test_studies_of_one_title_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, records = study("one-factor", planned("baseline", "", (10, 10), 0.4, 0.41))
    for digest, run in records.items():
        with Store(tmp_path).open(digest) as folder:
            folder.write("record.json", run.to_json())
    for name in ("se-01234567", "se-89abcdef"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        manifest.save(tmp_path / "studies" / name)
    both = ["report", "se-01234567", "se-89abcdef", "--runs", str(tmp_path), "--format", "csv"]
    assert main(both) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["comparison"] for row in rows] == [
        "Squeeze-and-excitation (se-01234567)",
        "Squeeze-and-excitation (se-89abcdef)",
    ]


def test_the_difference_of_two_files_of_one_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fuseablate.spec.spec import to_toml

    paths = []
    for folder, spec in (("old", named("mine")), ("new", named("mine", "1.kernel=5"))):
        path = tmp_path / folder / "mine.toml"
        path.parent.mkdir()
        path.write_text(to_toml(spec))
        paths.append(str(path))
    assert main(["diff", *paths]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"A  mine ({paths[0]})", f"B  mine ({paths[1]})"]
    assert main(["diff", *paths, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [table[side]["spec"] for side in "ab"] == [f"mine ({path})" for path in paths]
