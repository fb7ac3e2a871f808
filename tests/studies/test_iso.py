"""Studies at equal cost: each variant of another cost is trained rescaled as well."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from fuseablate.cost.costs import measure, spec_costs
from fuseablate.errors import InputError
from fuseablate.io.terminal import Screen
from fuseablate.runs.store import Store
from fuseablate.studies.manifest import manifest_of
from fuseablate.studies.plan import make_plan
from fuseablate.studies.screens.plan import print_plan
from tests.helpers.study_file import HEAD, expanded, factor, loaded

SIZE = (16, 16)
SE = factor("se", "off: all.se=false", "on: all.se=true")
WIDE = factor("exp", "x2: fuse.exp=x2", "off: all.se=false")
NL = factor("nl", "gelu: all.nl=gelu")
SMALL = HEAD.replace("size = 16", "size = 16, train_images = 40, test_images = 2")


def test_variants_of_another_cost_are_there_twice(tmp_path: Path) -> None:
    """The non-linearity costs no MACs, so that variant stays as it is."""
    design = expanded(tmp_path, 'design = "one-factor"\niso = "macs"\n' + WIDE + NL)
    raw, iso = design.variants[:4], design.variants[4:]
    assert [planned.names[0] for planned in raw] == ["baseline", "exp=x2", "exp=off", "nl=gelu"]
    assert all(planned.iso_of is None for planned in raw)
    target = measure(raw[0].spec, SIZE).macs
    for planned in iso:
        (of,) = [variant for variant in raw if variant.names[0] == planned.iso_of]
        assert planned.names == (f"{of.names[0]} (iso MACs)",)
        assert (planned.levels, planned.recipe) == (of.levels, of.recipe)
        assert planned.spec.edits[:-1] == of.spec.edits
        assert planned.spec.edits[-1].startswith("scale.width=x")
        before = abs(measure(of.spec, SIZE).macs - target)
        assert abs(measure(planned.spec, SIZE).macs - target) < before
    # What no width brings nearer is said, and not trained twice.
    *far, same = design.notes
    assert same == "nl=gelu: not rescaled, as it costs the reference's MACs"
    kept = {planned.iso_of for planned in iso} | {note.partition(":")[0] for note in far}
    assert kept == {"exp=x2", "exp=off"}


def test_merged_names_carry_over_and_nothing_is_trained_twice(tmp_path: Path) -> None:
    """Twice as wide and rescaled is the baseline again: 8, 16 and 16 are on the divisor."""
    double = factor("wide", "x2: all.out=x2 fuse.exp=x2", "again: fuse.exp=32 2-3.out=32 1.out=16")
    design = expanded(tmp_path, 'design = "one-factor"\niso = "params"\n' + double)
    assert [variant.names for variant in design.variants] == [
        ("baseline", "wide=x2 (iso params)", "wide=again (iso params)"),
        ("wide=x2", "wide=again"),
    ]
    assert design.reference.iso_of is None
    # The baseline stands for no level of its own factor, whatever is rescaled to it.
    assert design.reference.levels == ({"wide": "baseline"},)
    assert design.variants[1].levels == ({"wide": "x2"}, {"wide": "again"})


def test_an_edit_that_rounds_away_at_equal_cost_is_no_part_of_the_variant(tmp_path: Path) -> None:
    """On the divisor 8, x0.8 makes 16 of 20, and leaves 8 and 16 as they are."""
    wide = factor("wide", "row: 3.out=20", "both: 3.out=20 fuse.kernel=7")
    design = expanded(tmp_path, 'design = "one-factor"\niso = "macs"\n' + wide)
    assert [variant.names for variant in design.variants] == [
        ("baseline", "wide=row (iso MACs)"), ("wide=row",), ("wide=both",),
        ("wide=both (iso MACs)",),
    ]  # fmt: skip
    fitted = design.variants[3].spec
    assert fitted.edits == ("fuse.kernel=7",)
    assert fitted.digest(SIZE) == design.reference.spec.edit("fuse.kernel=7").digest(SIZE)
    assert design.notes == (
        "wide=row (iso MACs): in its width 3.out=20 changes nothing",
        "wide=both (iso MACs): in its width 3.out=20 changes nothing",
    )


def test_a_divisor_that_says_something_only_in_another_width_has_its_own(tmp_path: Path) -> None:
    factors = factor("k", "seven: fuse.kernel=7") + factor("by", "one: divisor=1")
    design = expanded(tmp_path, 'design = "factorial"\niso = "macs"\n' + factors)
    assert [variant.names for variant in design.variants] == [
        ("baseline", "by=one"), ("k=seven", "k=seven,by=one"), ("k=seven,by=one (iso MACs)",)
    ]  # fmt: skip
    base, _, fitted = (measure(variant.spec, SIZE).macs for variant in design.variants)
    widths = [
        design.reference.spec.edit_sampled("fuse.kernel=7", "divisor=1", f"scale.width=x{f / 200}")
        for f in range(100, 300)
    ]
    assert abs(fitted - base) == min(abs(measure(spec, SIZE).macs - base) for spec in widths)
    assert len(design.notes) == 1
    assert design.notes[0].startswith("k=seven: no width comes nearer")


@pytest.mark.parametrize(("iso", "unit"), [("params", "params"), ("cycles@systolic64", "cycles")])
def test_the_plan_and_the_manifest_say_it(tmp_path: Path, iso: str, unit: str) -> None:
    body = f'design = "one-factor"\niso = "{iso}"\n' + factor("exp", "x2: fuse.exp=x2")
    plan = make_plan(loaded(tmp_path, body, head=SMALL), None)
    assert len(plan.runs) == 2 * 3  # two seeds: the baseline, the variant and its rescaled one
    assert len({run.digest for run in plan.runs}) == len(plan.runs)
    manifest = manifest_of(plan, plan.runs)
    assert manifest.iso == iso
    planned = manifest.variants
    assert [variant.iso_of for variant in planned] == [None, None, "exp=x2"]
    out = Screen(width=120, file=io.StringIO(), record=True)
    print_plan(plan, Store(tmp_path / "runs"), 1, out)
    text = out.export_text()
    fitted, base = (plan.design.variants[place].spec for place in (2, 0))
    cost, target = (spec_costs(spec, [iso], SIZE)[iso] for spec in (fitted, base))
    assert f"exp=x2: rescaled to {cost:,} {unit} of {target:,}: " in text
    assert "6 to do" in text


def test_without_raw_all_are_trained_at_the_baselines_cost_alone(tmp_path: Path) -> None:
    """The candidate, which the others are compared with, is rescaled as they are."""
    body = 'design = "leave-one-out"\niso = "macs"\nraw = false\n'
    design = expanded(tmp_path, body + factor("exp", "x2: fuse.exp=x2") + NL)
    names = [variant.names for variant in design.variants]
    assert names == [("candidate",), ("without-exp",), ("without-nl",), ("baseline",)]
    candidate, plain, wide, baseline = (variant.spec for variant in design.variants)
    assert (plain.edits, baseline.edits) == (("all.nl=gelu",), ())
    *fitted, width = candidate.edits
    assert fitted == ["fuse.exp=x2", "all.nl=gelu"]
    assert wide.edits == ("fuse.exp=x2", width)
    assert [variant.rescaled for variant in design.variants] == [True, False, True, False]
    assert all(variant.iso_of is None for variant in design.variants)
    base = measure(baseline, SIZE).macs
    widths = [
        baseline.edit_sampled("fuse.exp=x2", f"scale.width=x{f / 200}") for f in range(60, 200)
    ]
    nearest = min(abs(measure(spec, SIZE).macs - base) for spec in widths)
    assert abs(measure(wide, SIZE).macs - base) == nearest
    assert design.target == base
    said = f"Each variant is trained in the width that comes nearest to {base:,} MACs."
    assert design.notes == (said,)


def test_without_raw_what_no_width_brings_nearer_is_trained_as_it_is(tmp_path: Path) -> None:
    factors = factor("k", "seven: fuse.kernel=7") + factor("by", "one: divisor=1")
    design = expanded(tmp_path, 'design = "factorial"\niso = "macs"\nraw = false\n' + factors)
    assert [variant.names for variant in design.variants] == [
        ("baseline", "by=one"), ("k=seven",), ("k=seven,by=one",)
    ]  # fmt: skip
    said, far = design.notes
    assert said.startswith("Each variant is trained in the width that comes nearest to ")
    assert far.startswith("k=seven: no width comes nearer")


def test_a_plan_without_raw_says_what_each_costs(tmp_path: Path) -> None:
    body = 'design = "one-factor"\niso = "macs"\nraw = false\n' + WIDE
    plan = make_plan(loaded(tmp_path, body, head=SMALL), None)
    out = Screen(width=120, file=io.StringIO(), record=True)
    print_plan(plan, Store(tmp_path / "runs"), 1, out)
    text = out.export_text()
    base, fitted = (measure(v.spec, SIZE).macs for v in plan.design.variants[:2])
    assert f"exp=x2: rescaled to {fitted:,} MACs of {base:,}: " in text
    assert "baseline: rescaled" not in text
    assert "6 to do" in text  # two seeds of three variants


def test_what_a_study_at_equal_cost_refuses(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.toml: iso: unknown cost 'flops'"):
        expanded(tmp_path, 'design = "one-factor"\niso = "flops"\n' + SE)
    body = 'design = "one-factor"\niso = "macs"\n' + factor("w", "x2: scale.width=x2")
    with pytest.raises(InputError, match=r'mine\.toml: iso = "macs": w=x2: edit .* leave the edit'):
        expanded(tmp_path, body)
    with pytest.raises(InputError, match=r"mine\.toml: raw = false: needs iso, such as"):
        expanded(tmp_path, 'design = "one-factor"\nraw = false\n' + SE)
