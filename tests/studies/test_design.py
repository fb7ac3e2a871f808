"""Designs, against variants enumerated by hand."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import pytest

from fuseablate.cost.costs import measure
from fuseablate.errors import InputError
from fuseablate.studies.combinations import aliases, fractional, fractional_factorial
from fuseablate.studies.design import Design, expand
from fuseablate.studies.schema.study import Factor, Level
from fuseablate.studies.study import load_study
from tests.helpers.study_file import HEAD, expanded, factor, written

SE = factor("se", "off: all.se=false")
KERNEL = factor("kernel", "7: fuse.kernel=7")
NL = factor("nl", "gelu: all.nl=gelu")


def names(design: Design) -> list[tuple[str, ...]]:
    return [variant.names for variant in design.variants]


def firsts(design: Design) -> list[str]:
    return [variant.names[0] for variant in design.variants]


def test_one_factor_is_the_baseline_and_each_level_alone(tmp_path: Path) -> None:
    kernel = factor("kernel", "7: fuse.kernel=7", "mixed: fuse.kernel=3 3.kernel=9")
    design = expanded(tmp_path, 'design = "one-factor"\n' + SE + kernel)
    assert firsts(design) == ["baseline", "se=off", "kernel=7", "kernel=mixed"]
    assert design.reference is design.variants[0]
    assert design.variants[0].levels == ({"se": "baseline", "kernel": "baseline"},)
    assert design.variants[2].levels == ({"se": "baseline", "kernel": "7"},)
    assert design.variants[0].spec.edits == ()
    # In row 2 the wide edit changes nothing, and the narrow one overrides it in row 3.
    rows = design.variants[3].spec.to_dict()["rows"]
    assert [row["kernel"] for row in rows[1:3]] == [3, 9]
    assert (design.left_out, design.notes) == ((), ())


NETWORK = """
[[factors]]
name = "network"
levels = [{ name = "resnet", spec = "resnet18:cifar" }]
"""


def test_a_level_may_be_another_spec_that_the_other_factors_edit(tmp_path: Path) -> None:
    # "ResNet with SE": ideas move between networks.
    on = factor("se", "on: all.se=true")
    design = expanded(tmp_path, 'design = "factorial"\n' + NETWORK + on)
    assert firsts(design) == ["baseline", "se=on", "network=resnet", "network=resnet,se=on"]
    both = design.variants[-1]
    assert (both.spec.name, both.spec.edits) == ("resnet18:cifar", ("all.se=true",))
    assert both.spec.classes == 4
    # ResNet-18 for CIFAR-10 has 11,173,962 params; here are 6 classes fewer, of 512 + 1 each.
    assert measure(design.variants[2].spec, (16, 16)).params == 11_173_962 - 6 * 513


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NETWORK.replace("resnet18:", "resnet19:"), "unknown spec 'resnet19'"),
        (NETWORK.replace(":cifar", ":cifer"), "unknown form 'cifer'; did you mean 'cifar'?"),
        (NETWORK + NETWORK.replace('"network"', '"other"'), "both name a spec; keep one of them"),
        (NETWORK.replace("}]", ', edits = ["all.exp=8"] }]'), "level network=resnet: edit"),
    ],
)
def test_a_bad_spec_of_a_level_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        expanded(tmp_path, 'design = "factorial"\n' + text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_two_by_two_by_two(tmp_path: Path) -> None:
    design = expanded(tmp_path, 'design = "factorial"\n' + SE + KERNEL + NL)
    assert firsts(design) == [
        "baseline",
        "nl=gelu",
        "kernel=7",
        "kernel=7,nl=gelu",
        "se=off",
        "se=off,nl=gelu",
        "se=off,kernel=7",
        "se=off,kernel=7,nl=gelu",
    ]
    assert design.reference.names == ("baseline",)
    last = design.variants[-1]
    assert last.levels == ({"se": "off", "kernel": "7", "nl": "gelu"},)
    assert last.spec.edits == ("all.se=false", "fuse.kernel=7", "all.nl=gelu")


def test_a_factorial_counts_the_baseline_as_a_level(tmp_path: Path) -> None:
    three = factor("kernel", "7: fuse.kernel=7", "9: fuse.kernel=9")
    design = expanded(tmp_path, 'design = "factorial"\n' + three + NL)
    assert len(design.variants) == 3 * 2


def test_leave_one_out_compares_to_the_candidate(tmp_path: Path) -> None:
    design = expanded(tmp_path, 'design = "leave-one-out"\n' + SE + KERNEL + NL)
    assert firsts(design) == [
        "candidate", "without-se", "without-kernel", "without-nl", "baseline"
    ]  # fmt: skip
    assert design.reference.spec.edits == ("all.se=false", "fuse.kernel=7", "all.nl=gelu")
    assert design.variants[2].spec.edits == ("all.se=false", "all.nl=gelu")
    levels = {"se": "off", "kernel": "baseline", "nl": "gelu"}
    assert design.variants[2].levels == (levels,)


def test_per_row_leaves_out_rows_without_effect_and_names_them(tmp_path: Path) -> None:
    design = expanded(tmp_path, 'design = "per-row"\nrows = "all"\nedit = "se=true"\n')
    assert firsts(design) == ["baseline", "1.se=true", "3.se=true"]
    assert [dict(*variant.levels) for variant in design.variants] == [
        {"row": "baseline"}, {"row": "1"}, {"row": "3"}
    ]  # fmt: skip
    assert len(design.left_out) == 3
    assert design.left_out[0] == "edit '2.se=true': changes nothing: se is true already"
    assert design.left_out[1].startswith("edit '4.se=true': has no such field")
    assert design.left_out[2].startswith("edit '5.se=true': has no such field")


def test_per_row_leaves_out_rows_that_refuse(tmp_path: Path) -> None:
    design = expanded(tmp_path, 'design = "per-row"\nrows = "fuse"\nedit = "residual=true"\n')
    assert firsts(design) == ["baseline", "3.residual=true"]
    assert "2.residual=true" in design.left_out[0]
    # Without SE the reduction is in the table, and not in the network.
    design = expanded(tmp_path, 'design = "per-row"\nrows = "fuse"\nedit = "se_reduction=8"\n')
    assert firsts(design) == ["baseline", "2.se_reduction=8"]
    assert design.left_out == (
        "edit '3.se_reduction=8': changes nothing: no layer depends on it here",
    )


def test_per_row_names_repeats_apart(tmp_path: Path) -> None:
    body = 'design = "per-row"\nrows = "fuse"\nedit = "kernel=7"\n'
    expanded(tmp_path, body)
    spec = tmp_path / "small.toml"
    repeats = spec.read_text().replace('id = "3"', 'id = "3"\ndepth = 2')
    spec.write_text(repeats)
    design = expand(load_study(tmp_path / "mine.toml"), (16, 16), 4)
    assert firsts(design) == ["baseline", "2.kernel=7", "3/1.kernel=7", "3/2.kernel=7"]
    assert [variant.levels[0]["row"] for variant in design.variants[1:]] == ["2", "3", "3_2"]
    kernels = [
        [row.values().get("kernel") for row in variant.spec.rows] for variant in design.variants
    ]
    assert [row[1:4] for row in kernels] == [[3, 5, 5], [7, 5, 5], [3, 7, 5], [3, 5, 7]]


def test_per_row_where_no_row_takes_the_edit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.toml: no row of 'fuse' .* 'flase' is not true"):
        expanded(tmp_path, 'design = "per-row"\nrows = "fuse"\nedit = "se=flase"\n')
    with pytest.raises(InputError, match=r"mine\.toml: '9' selects no row"):
        expanded(tmp_path, 'design = "per-row"\nrows = "9"\nedit = "se=false"\n')


def test_levels_that_mean_the_same_are_one_variant(tmp_path: Path) -> None:
    se = factor("se", "off: all.se=false", "off-too: 2.se=false", "on: 2.se=true")
    unused = factor("reduction", "8: 3.se_reduction=8")  # row 3 has no SE
    design = expanded(tmp_path, 'design = "one-factor"\n' + se + unused)
    assert names(design) == [("baseline", "se=on", "reduction=8"), ("se=off", "se=off-too")]
    assert design.variants[1].levels == (
        {"se": "off", "reduction": "baseline"},
        {"se": "off-too", "reduction": "baseline"},
    )


def test_the_recipe_tells_variants_apart(tmp_path: Path) -> None:
    body = """design = "factorial"
[[factors]]
name = "lr"
levels = [
    { name = "low", recipe = { lr = 0.01 } },
    { name = "low-too", recipe = { lr = 0.01, momentum = 0.9 } },
]
[[factors]]
name = "both"
levels = [{ name = "b", edits = ["all.se=false"], recipe = { epochs = 7 } }]
"""
    design = expanded(tmp_path, body)
    assert names(design) == [
        ("baseline",),
        ("both=b",),
        ("lr=low", "lr=low-too"),
        ("lr=low,both=b", "lr=low-too,both=b"),
    ]
    last = design.variants[-1]
    assert (last.recipe.lr, last.recipe.epochs) == (0.01, 7)
    assert last.spec.edits == ("all.se=false",)


@pytest.mark.parametrize("kind", ["factorial", "leave-one-out"])
def test_levels_that_contradict_each_other_are_both_named(tmp_path: Path, kind: str) -> None:
    three = factor("k", "7: fuse.kernel=7")
    body = f'design = "{kind}"\n' + NL + three + factor("j", "9: fuse.kernel=9")
    with pytest.raises(InputError) as caught:
        expanded(tmp_path, body)
    assert "mine.toml: levels that do not go together: k=7 and j=9: edits" in str(caught.value)
    assert "nl=gelu" not in str(caught.value)


def test_contradicting_recipes_and_a_level_that_fails_alone(tmp_path: Path) -> None:
    factor_of = (
        '[[factors]]\nname = "{0}"\nlevels = [{{ name = "x", recipe = {{ epochs = {1} }} }}]\n'
    )
    body = 'design = "factorial"\n' + factor_of.format("a", 7) + factor_of.format("b", 9)
    with pytest.raises(InputError, match="a=x and b=x: both change 'epochs' of the recipe"):
        expanded(tmp_path, body)
    body = 'design = "factorial"\n' + factor_of.format("a", 0) + SE
    with pytest.raises(InputError, match=r"level a=x: recipe: epochs = 0: must be greater"):
        expanded(tmp_path, body)
    body = 'design = "factorial"\n' + SE + factor("k", "4: fuse.kernel=4")
    with pytest.raises(InputError, match=r"mine\.toml: level k=4: edit 'fuse\.kernel=4'"):
        expanded(tmp_path, body)
    body = 'design = "one-factor"\n' + factor("c", "10: classes=10")
    with pytest.raises(InputError, match="level c=10: edit 'classes=10': the data decide"):
        expanded(tmp_path, body)


def test_too_many_combinations_are_refused_before_they_are_made(tmp_path: Path) -> None:
    many = "".join(factor(f"f{place}", "x: 2.kernel=7") for place in range(13))
    with pytest.raises(InputError, match="8,192 combinations are more than 4,096"):
        expanded(tmp_path, 'design = "factorial"\n' + many)


def test_the_data_decide_the_classes(tmp_path: Path) -> None:
    body = 'design = "one-factor"\n' + SE
    expanded(tmp_path, body)
    design = expand(load_study(tmp_path / "mine.toml"), (16, 16), 9)
    assert [variant.spec.classes for variant in design.variants] == [9, 9]


# Fractional designs: the columns are judged by their products, as the textbooks define it.


def columns(count: int) -> list[tuple[int, ...]]:
    return list(zip(*fractional(count), strict=True))


def dot(*given: tuple[int, ...]) -> int:
    total = 0
    for entries in zip(*given, strict=True):
        term = 1
        for entry in entries:
            term *= entry
        total += term
    return total


@pytest.mark.parametrize(
    ("count", "runs"), [(4, 8), (5, 16), (6, 16), (7, 16), (8, 16), (9, 32), (16, 32), (17, 64)]
)
def test_main_effects_are_clear_of_each_other_and_of_pairs(count: int, runs: int) -> None:
    """The runs are the fewest that resolution IV allows: 2^(k-1) factors in 2^k runs."""
    matrix = columns(count)
    assert {len(column) for column in matrix} == {runs}
    assert fractional(count)[0] == (-1,) * count
    assert len(set(fractional(count))) == runs
    assert all(sum(column) == 0 for column in matrix)
    assert all(dot(a, b) == 0 for a, b in combinations(matrix, 2))
    assert all(dot(a, b, c) == 0 for a, b, c in combinations(matrix, 3))


def test_five_factors_have_resolution_five() -> None:
    assert all(dot(*four) == 0 for four in combinations(columns(5), 4))


def test_four_factors_by_hand() -> None:
    """The half fraction d = abc (Box, Hunter and Hunter): ab with cd, ac with bd, ad with bc."""
    expected = {(a, b, c, a * b * c) for a, b, c in product((-1, 1), repeat=3)}
    assert set(fractional(4)) == expected
    assert aliases("abcd", fractional(4)) == [
        "a x b is aliased with c x d",
        "a x c is aliased with b x d",
        "a x d is aliased with b x c",
    ]


def test_a_fractional_design_says_what_is_aliased(tmp_path: Path) -> None:
    res = factor("width", "x2: fuse.exp=x2")
    design = expanded(tmp_path, 'design = "fractional"\n' + SE + KERNEL + NL + res)
    assert set(firsts(design)) == {
        "baseline",
        "se=off,kernel=7",
        "se=off,nl=gelu",
        "se=off,width=x2",
        "kernel=7,nl=gelu",
        "kernel=7,width=x2",
        "nl=gelu,width=x2",
        "se=off,kernel=7,nl=gelu,width=x2",
    }
    assert design.reference.names == ("baseline",)
    assert design.notes[0].startswith("resolution IV, 8 of 16 combinations: ")
    assert design.notes[1] == "se x kernel is aliased with nl x width"
    assert len(design.notes) == 4


def test_no_alias_among_five() -> None:
    five = [Factor(name=n, levels=(Level(name="x", edits=("a=b",)),)) for n in "vwxyz"]
    named, notes = fractional_factorial(five)
    assert len(named) == 16
    assert notes == [
        "resolution V, 16 of 32 combinations: main effects and two-factor interactions "
        "are all clear"
    ]


@pytest.mark.parametrize("edit", ["input=24", "scale.resolution=x0.5", "scale.phi=1"])
def test_a_level_that_edits_the_size_of_the_datas_images_is_refused(
    edit: str, tmp_path: Path
) -> None:
    body = f'[[factors]]\nname = "f"\nlevels = [{{ name = "d", edits = ["{edit}"] }}]\n'
    with pytest.raises(InputError) as error:
        expanded(tmp_path, 'design = "one-factor"\n' + body)
    assert f"level f=d: edit '{edit}': the data's images are 16x16" in str(error.value)


def test_a_baseline_that_cannot_be_trained_is_refused_without_a_level(tmp_path: Path) -> None:
    """At 203x203 the head of row 14 sees 3x3, and its kernel is 5x5."""
    head = HEAD.replace("small.toml", "inception_v3")
    path = written(tmp_path, 'design = "one-factor"\n' + NL, head=head)
    with pytest.raises(InputError) as error:
        expand(load_study(path), (203, 203), 4)
    assert str(error.value).startswith(f"{path}: row 14: training runs this head: kernel 5 ")
    assert str(error.value).endswith(", or leave the head out with 14.weight=0")


def test_a_level_that_leaves_the_penalty_nothing_is_refused(tmp_path: Path) -> None:
    """Neither convolution of a Ghost module is a linear one at the end of a branch."""
    head = HEAD.replace("seeds", 'recipe = { base = "standard", orthonormal = 0.1 }\nseeds')
    ghost = factor("op", "ghost: fuse.op=ghost fuse.kernel=1")
    path = written(tmp_path, 'design = "one-factor"\n' + NL + ghost, head=head)
    with pytest.raises(InputError) as error:
        expand(load_study(path), (16, 16), 4)
    assert str(error.value).startswith(f"{path}: level op=ghost: recipe standard orthonormal=0.1: ")
    assert "orthonormal = 0.1: small has no linear 1x1 convolution" in str(error.value)
