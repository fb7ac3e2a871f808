"""The catalogue: every shipped table is read, costed and built; random edits of the small ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from fuseablate import InputError, build, load_spec, measure
from fuseablate.network.check import mismatches
from fuseablate.ops.fields import Bool, Choice, Float, Kernel, Listed, Padding
from fuseablate.spec.catalog import shipped_specs
from fuseablate.spec.spec import Spec, to_toml

SIZE = (32, 32)
MOST_MACS = 50_000_000
EXAMPLES = 30
SHARDS, USUAL = 10, 1  # so that several processes share the work, most of it in the slow tests


def small_form(name: str) -> Spec:
    """Return a shipped table in its form for 32x32, where it has one."""
    spec = load_spec(name)
    return spec.form("cifar") if any(form.name == "cifar" for form in spec.forms) else spec


EVERY = {name: small_form(name) for name in shipped_specs()}
SMALL = [name for name, spec in EVERY.items() if measure(spec, SIZE).macs < MOST_MACS]


@pytest.mark.parametrize("name", EVERY)
def test_every_table_says_where_it_is_from_and_has_a_form_for_small_images(name: str) -> None:
    spec = load_spec(name)
    assert spec.name == name
    assert spec.title
    assert spec.source
    if spec.input[0] > 64 and spec.classes == 1000:
        assert "cifar" in [form.name for form in spec.forms]
    small = EVERY[name]
    assert small.classes == spec.classes if small is spec else 100
    assert small.infer(SIZE)[-1].out_shape[0] == small.classes


def values(rule: Any) -> list[str]:
    """Return values that a rule takes, some of which a network will refuse."""
    if isinstance(rule, Bool):
        return ["true", "false"]
    if isinstance(rule, Choice):
        return list(rule.words)
    if isinstance(rule, Listed):
        return values(rule.rule)
    if rule.scales:
        return ["x0.5", "x1.5", "24"]
    if isinstance(rule, Kernel):
        return ["1", "3", "5", "1x3"]
    if isinstance(rule, Padding):
        return ["same", "valid", "1"]
    return ["0.5"] if isinstance(rule, Float) else ["1", "2", "3", "4"]


@st.composite
def an_edit(draw: st.DrawFn, spec: Spec) -> str:
    row = draw(st.sampled_from(spec.rows))
    where = draw(st.sampled_from(["all", row.op, row.base, row.id]))
    cell = draw(st.sampled_from(list(row.rules())))
    return f"{where}.{cell}={draw(st.sampled_from(values(row.rules()[cell])))}"


@st.composite
def an_edited_network(draw: st.DrawFn) -> tuple[str, list[str]]:
    name = draw(st.sampled_from(SMALL))
    return name, draw(st.lists(an_edit(EVERY[name]), min_size=1, max_size=3))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "shard",
    [
        pytest.param(shard, marks=() if shard < USUAL else pytest.mark.slow)
        for shard in range(SHARDS)
    ],
)
def test_random_edits_build_train_and_cost_what_fvcore_counts(shard: int) -> None:
    tried: Counter[str] = Counter()

    @seed(shard)
    @given(an_edited_network())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    def holds(chosen: tuple[str, list[str]]) -> None:
        name, edits = chosen
        try:
            spec = EVERY[name].edit(*edits)
            rows = spec.infer(SIZE)
        except InputError:  # such as two edits that meet in one cell
            assume(False)
        assume(measure(spec, SIZE).macs < 2 * MOST_MACS)
        network = build(spec, size=SIZE).train()
        images = torch.linspace(-1, 1, 4 * 3 * 32 * 32).view(4, 3, 32, 32)
        logits = network(images)
        assert logits.shape == (4, spec.classes)
        logits.square().mean().backward()
        assert mismatches(network.eval(), images[:1], rows) == []
        tried[name] += 1

    holds()
    assert tried.total() >= EXAMPLES


def test_tables_that_are_each_others_base_and_forms_as_bases(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(f'base = "../{tmp_path.name}/one.toml"\nedits = ["all.nl=elu"]\n')
    with pytest.raises(InputError, match="the tables are each other's base"):
        load_spec(path)
    path.write_text('base = "resnet18"\nedit = ["all.nl=elu"]\n')
    with pytest.raises(
        InputError, match=r"one\.toml: unknown key beside base 'edit'; did you mean"
    ):
        load_spec(path)
    path.write_text('base = "resnet18:cifar"\nedits = ["all.nl=elu"]\n')
    assert load_spec(path).digest() == load_spec("resnet18:cifar").edit("all.nl=elu").digest()
    with pytest.raises(InputError, match="fusenet: has no forms, and so none named 'cifar'"):
        load_spec("fusenet:cifar")
    with pytest.raises(InputError, match="resnet18: unknown form ''"):
        load_spec("resnet18:")


def test_a_form_of_a_table_that_has_one_of_its_edits_already(tmp_path: Path) -> None:
    path = tmp_path / "near.toml"
    path.write_text(to_toml(load_spec("resnet18").edit("1.stride=1")))
    assert load_spec(f"{path}:cifar").digest() == load_spec("resnet18:cifar").digest()


def test_what_is_written_out_is_the_table_with_its_reasons(tmp_path: Path) -> None:
    for name, path in shipped_specs().items():
        again = tmp_path / path.name
        again.write_text(to_toml(load_spec(name)))
        assert load_spec(again) == load_spec(name)


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("resnet18", "dropout=0.5"),
        ("vgg11", "norm_eps=0.001"),
        ("resnet18", "all.se_reduction=8"),
        ("inception_v3", "all.drop=0.1"),
    ],
)
def test_an_edit_that_no_layer_depends_on_is_refused(name: str, edit: str) -> None:
    with pytest.raises(InputError, match=f"edit '{edit}': changes nothing"):
        load_spec(name).edit(edit)


def test_widths_of_groups_and_depths_have_bounds_of_their_own() -> None:
    """RegNetX-400MF has groups of 16 channels: 1.1 times 32, 64, 160, 400."""
    spec = load_spec("regnet_x_400mf").edit("scale.width=x1.1")
    inner = [row.values()["inner"] for row in spec.rows if row.op == "bottle"]
    assert sorted(set(inner)) == [32, 64, 176, 448]
    with pytest.raises(InputError, match="1000"):
        load_spec("resnet18").edit("scale.depth=x99999")


def test_a_key_without_effect_is_refused_beside_an_edit_that_has_one() -> None:
    with pytest.raises(InputError, match=r"edit 'drop_path=0\.2': changes nothing"):
        load_spec("vgg11").edit("all.nl=elu", "drop_path=0.2")
