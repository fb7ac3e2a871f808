"""Search spaces: what an assignment means, how many there are, and what is refused."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution

from fuseablate.errors import InputError
from fuseablate.io.checked import checked
from fuseablate.space.admission import Admission
from fuseablate.space.counting import draw_assignments
from fuseablate.space.fields import Value
from fuseablate.space.parameters import Categorical, FloatRange, IntRange, Parameter, as_text
from fuseablate.space.space import (
    Space,
    assignments,
    check_point,
    is_active,
    size_of,
    spec_of,
    unchanging,
)
from fuseablate.spec.catalog import load_spec
from fuseablate.spec.spec import Spec
from fuseablate.studies.design import expand
from fuseablate.studies.schema.search import Search
from fuseablate.studies.study import load_study
from fuseablate.studies.trials import distribution_of
from tests.helpers.paths import STUDY_FILES
from tests.helpers.study_file import SPEC, loaded

Table = Mapping[str, object]
BASE = Spec.from_dict(tomllib.loads(SPEC))
FINALISTS = {"best": 1, "seeds": [9]}

OP = {
    "name": "op",
    "kind": "categorical",
    "choices": {"full": [], "half": ["fuse.variant=half"], "mbconv": ["fuse.op=mbconv"]},
}
KERNEL = {
    "name": "kernel", "kind": "categorical", "each": "fuse", "choices": [3, 5, 7],
    "edit": "{row}.kernel={}",
}  # fmt: skip
SE = {"name": "se", "kind": "categorical", "choices": [True, False], "edit": "2.se={}"}
REDUCTION = {
    "name": "reduction", "kind": "int", "low": 2, "high": 8, "step": 2, "when": {"se": True},
    "edit": "2.se_reduction={}",
}  # fmt: skip
WIDTH = {"name": "width", "kind": "float", "low": 0.5, "high": 2.0, "edit": "fuse.exp=x{}"}
DEPTH = {"name": "depth", "kind": "int", "low": 1, "high": 3, "edit": "3.depth={}"}
ORDER = {
    "name": "order", "kind": "categorical", "when": {"op": "full"},
    "choices": ["1xK,Kx1", "Kx1,1xK"], "edit": "fuse.order={}",
}  # fmt: skip


def space(*tables: Table) -> Space:
    search = {"n_trials": 1, "finalists": FINALISTS, "parameters": list(tables)}
    return Space.of(BASE, checked(Search, search).parameters)


def edits_of(searched: Space, params: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the edits that an assignment means, without those of the spec itself."""
    return spec_of(searched, params).edits[len(searched.spec.edits) :]


def refusal(*tables: Table) -> str:
    with pytest.raises(InputError) as caught:
        space(*tables)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_assignment_means_edits_and_those_that_change_nothing_are_dropped() -> None:
    whole = space(OP, KERNEL, SE, REDUCTION, WIDTH, DEPTH)
    assert [parameter.name for parameter in whole.parameters] == [
        "op", "kernel.2", "kernel.3", "se", "reduction", "width", "depth"
    ]  # fmt: skip
    same: dict[str, Value] = {
        "op": "full", "kernel.2": 3, "kernel.3": 5, "se": True, "reduction": 4,
        "width": 1.0, "depth": 1,
    }  # fmt: skip
    assert edits_of(whole, same) == ()
    other: dict[str, Value] = {
        "op": "mbconv", "kernel.2": 3, "kernel.3": 7, "se": False, "width": 0.5, "depth": 2,
    }  # fmt: skip
    assert edits_of(whole, other) == (
        "fuse.op=mbconv", "3.kernel=7", "2.se=false", "fuse.exp=x0.5", "3.depth=2"
    )  # fmt: skip
    rows = spec_of(whole, other).rows
    assert [
        (row.id, row.op, row.values().get("kernel"), row.values().get("exp")) for row in rows
    ] == [
        ("1", "conv", 3, None),
        ("2", "mbconv", 3, 8),
        ("3", "mbconv", 7, 8),
        ("3/2", "mbconv", 7, 8),
        ("4", "pool", None, None),
        ("5", "conv", 1, None),
    ]


def test_a_narrow_edit_back_to_the_baseline_is_kept_beside_a_wide_one() -> None:
    wide = {"name": "wide", "kind": "categorical", "choices": [3, 7], "edit": "fuse.kernel={}"}
    narrow = {"name": "one", "kind": "categorical", "choices": [3, 5, 7], "edit": "3.kernel={}"}
    both = space(wide, narrow)
    assert edits_of(both, {"wide": 7, "one": 5}) == ("fuse.kernel=7", "3.kernel=5")
    assert edits_of(both, {"wide": 7, "one": 7}) == ("fuse.kernel=7",)
    assert spec_of(both, {"wide": 3, "one": 5}).digest() == BASE.digest()


def test_the_values_of_the_table_itself() -> None:
    # row 2 has SE with a reduction of 4 and kernel 3, row 3 has kernel 5
    whole = space(OP, KERNEL, SE, REDUCTION, WIDTH, DEPTH, ORDER)
    assert unchanging(whole) == {
        "op": "full", "kernel.2": 3, "kernel.3": 5, "se": True, "reduction": 4, "width": 1.0,
        "depth": 1, "order": "1xK,Kx1",
    }  # fmt: skip
    assert spec_of(whole, unchanging(whole)) == BASE
    # no value of the space is the table's own
    assert unchanging(space({**KERNEL, "choices": [7, 9]}, {**WIDTH, "low": 1.5})) == {}


def test_a_value_that_the_table_does_not_depend_on_stays_its_own_beside_others() -> None:
    # Row 3 has no SE, and so no squeeze. The divisor, 8, rounds no channel of the table; on it
    # x0.7 of 16 is 16 again, as 8 would be more than a tenth too few.
    some = space(
        {"name": "se", "kind": "categorical", "choices": [True, False], "edit": "3.se={}"},
        {"name": "squeeze", "kind": "categorical", "choices": [2, 4], "edit": "3.se_reduction={}"},
        {"name": "divisor", "kind": "categorical", "choices": [1, 8], "edit": "divisor={}"},
        {"name": "width", "kind": "categorical", "choices": ["x0.7", "x1", "x0.5"],
         "edit": "scale.width={}"},
    )  # fmt: skip
    assert unchanging(some) == {"se": False, "squeeze": 4, "divisor": 8, "width": "x1"}
    assert edits_of(some, unchanging(some, {"se": True})) == ("3.se=true",)
    assert edits_of(some, unchanging(some, {"width": "x0.5"})) == ("scale.width=x0.5",)


def test_edits_of_the_spec_itself_are_not_the_assignments() -> None:
    edited = BASE.edit("all.nl=gelu")
    kernel = space(KERNEL)
    assert edits_of(Space(edited, kernel.parameters), {"kernel.2": 5, "kernel.3": 5}) == (
        "2.kernel=5",
    )


def test_parameters_that_do_not_exist_are_ignored_and_missing_ones_named() -> None:
    two = space(SE, REDUCTION)
    assert edits_of(two, {"se": False, "reduction": 8}) == ("2.se=false",)
    assert edits_of(two, {"se": True, "reduction": 8}) == ("2.se_reduction=8",)
    reduction = two.parameters[1]
    assert is_active(reduction, {"se": True})
    assert not is_active(reduction, {"se": False})
    assert not is_active(reduction, {})
    with pytest.raises(InputError, match="'reduction': the assignment has no value"):
        edits_of(two, {"se": True})
    with pytest.raises(InputError, match="unknown parameter 'sse'; did you mean 'se'"):
        edits_of(two, {"sse": True})
    with pytest.raises(InputError, match="'reduction': 9 is not from 2 to 8"):
        edits_of(two, {"se": True, "reduction": 9})
    with pytest.raises(InputError, match="unknown value of 'op' 'ful'; did you mean 'full'"):
        edits_of(space(OP), {"op": "ful"})


def test_sizes_by_hand() -> None:
    assert size_of(space(KERNEL)) == 3 * 3
    assert size_of(space(OP, KERNEL, DEPTH)) == 3 * 9 * 3
    assert size_of(space(SE, REDUCTION)) == 4 + 1  # 2, 4, 6, 8 with SE; none without
    assert size_of(space(OP, KERNEL, SE, REDUCTION, DEPTH, ORDER)) == (2 + 1 + 1) * 9 * 5 * 3
    assert size_of(space(OP, WIDTH)) is None
    stepped = space({**WIDTH, "step": 0.25})
    assert size_of(stepped) == 7
    widths = [params["width"] for params in assignments(stepped)]
    assert widths == [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    tenths = space({**WIDTH, "low": 0.5, "high": 0.8, "step": 0.1})
    assert [params["width"] for params in assignments(tenths)] == [0.5, 0.6, 0.7, 0.8]
    # A sampler adds up steps: 0.1 + 7 * 0.1 is a rounding error above 0.8.
    assert edits_of(tenths, {"width": 0.1 + 7 * 0.1}) == edits_of(tenths, {"width": 0.8})


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (0.2, 1.4, 0.4, [0.2, 0.6, 1.0, 1.4]),
        (1e-12, 4e-12, 1e-12, [1e-12, 2e-12, 3e-12, 4e-12]),
        (0.333333333333, 0.9, 0.25, [0.333333333333, 0.583333333333, 0.833333333333]),
        (0.3, 0.4, 0.2, [0.3]),
    ],
)
def test_steps_are_exact_and_what_a_sampler_draws(
    low: float, high: float, step: float, values: list[float]
) -> None:
    """Optuna warns where the range is not a whole number of steps."""
    table = {"name": "p", "kind": "float", "low": low, "high": high, "step": step, "edit": "p={}"}
    parameter = checked(FloatRange, table)
    assert parameter.values() == values
    assert parameter.samples() == (values[0], values[-1])
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    distribution = distribution_of(parameter)
    assert isinstance(distribution, FloatDistribution)
    drawn = trial.suggest_float("p", low, distribution.high, step=distribution.step)
    assert any(drawn == pytest.approx(value, rel=1e-9) for value in values)


def test_small_numbers_of_the_recipe_differ() -> None:
    choices = (0.00001, 0.00002)
    decays = Categorical(name="a", kind="categorical", choices=choices, recipe="weight_decay")
    assert [decays.changes(value) for value in decays.values()] == [
        {"weight_decay": 0.00001}, {"weight_decay": 0.00002}
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"two or more that differ, and has 1e-05, 1e-05"):
        decays.replace(choices=(0.00001, 0.0000100001))


def test_a_large_space_is_counted_without_being_listed() -> None:
    kernels = [
        {**SE, "name": f"p{place}", "choices": [True, False]} for place in range(60)
    ]  # the edits of one would meet those of another; only the count is asked for
    parameters = checked(
        Search, {"n_trials": 1, "finalists": FINALISTS, "parameters": kernels}
    ).parameters
    assert size_of(Space(BASE, parameters)) == 2**60


def test_assignments_by_hand() -> None:
    assert list(assignments(space(SE, REDUCTION))) == [
        {"se": True, "reduction": 2},
        {"se": True, "reduction": 4},
        {"se": True, "reduction": 6},
        {"se": True, "reduction": 8},
        {"se": False},
    ]
    with pytest.raises(
        InputError, match=r"^parameter 'width': is continuous, and can't be listed; give it a step$"
    ):
        assignments(space(WIDTH))


@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=5),
)
def test_the_count_is_that_of_the_list_and_of_brute_force(
    counts: list[int], links: list[tuple[int, int]]
) -> None:
    """Parameter i has values 0..counts[i]-1, and may exist under one value of an earlier one."""
    parents: list[tuple[int, int] | None] = []
    for place, _ in enumerate(counts):
        parent, value = links[place] if place < len(links) else (place, 0)
        parents.append((parent, value % counts[parent]) if parent < place else None)
    parameters: list[Parameter] = [
        IntRange(
            name=f"p{place}", kind="int", low=0, high=count, edit="a.b={}",
            when={} if (link := parents[place]) is None else {f"p{link[0]}": link[1]},
        )
        for place, count in enumerate(count - 1 for count in counts)
    ]  # fmt: skip
    expected = set()
    for values in product(*(range(count) for count in counts)):
        kept: dict[int, int] = {}
        for place, value in enumerate(values):
            link = parents[place]
            if link is None or kept.get(link[0]) == link[1]:
                kept[place] = value
        expected.add(tuple(kept.items()))
    whole = Space(BASE, tuple(parameters))
    listed = [tuple((int(k[1:]), v) for k, v in params.items()) for params in assignments(whole)]
    assert len(listed) == len(set(listed))
    assert set(listed) == expected
    assert size_of(whole) == len(expected)


def test_each_also_fills_the_row_into_conditions() -> None:
    gate = {"name": "se", "kind": "categorical", "each": "fuse", "choices": [True, False],
            "edit": "{row}.se={}"}  # fmt: skip
    squeeze = {"name": "r", "kind": "categorical", "each": "fuse", "choices": [4, 8],
               "when": {"se.{row}": True}, "edit": "{row}.se_reduction={}"}  # fmt: skip
    rows = space(gate, squeeze)
    assert dict(rows.parameters[2].when) == {"se.2": True}
    assert size_of(rows) == 3 * 3
    assert edits_of(rows, {"se.2": False, "se.3": True, "r.3": 8}) == (
        "2.se=false", "3.se=true", "3.se_reduction=8"
    )  # fmt: skip


def test_what_a_space_refuses() -> None:
    assert refusal(SE, SE).endswith(
        "parameter 'se': appears twice; a parameter's name must be its own"
    )
    assert "'reduction': when: unknown parameter before it 'se'" in refusal(REDUCTION, SE)
    bad = {**REDUCTION, "when": {"se": 1}}
    assert "when: unknown value of 'se' '1'" in refusal(SE, bad)
    bad = {**SE, "when": {"width": 0.5}}
    said = "when: 'width' is a float; depend on a categorical or an int"
    assert refusal(WIDTH, bad).endswith(said)
    assert "parameter 'kernel': each: the spec has no row of op 'mbconv'" in refusal(
        {**KERNEL, "each": "mbconv"}
    )
    assert "parameter 'kernel.3': edit '3.kernel=4'" in refusal({**KERNEL, "choices": [3, 4]})
    assert "low = 2.0: must be less than high = 2.0" in refusal({**WIDTH, "low": 2.0})
    said = "step: a logarithmic scale has none; leave out step or log"
    assert refusal({**REDUCTION, "log": True}).endswith(said)
    said = "low = 0: must be more than 0 on a logarithmic scale"
    assert refusal({**DEPTH, "log": True, "low": 0}).endswith(said)


def test_a_conditional_value_is_tried_with_its_parents() -> None:
    """Alone, `mbconv.kernel=7` would select nothing."""
    half = {**OP, "choices": {"full": [], "half": ["fuse.variant=half"]}}
    order = {**ORDER, "when": {"op": "half"}}
    assert size_of(space(half, order)) == 1 + 2


def test_a_search_trains_the_baseline_and_its_space_is_tried(tmp_path: Path) -> None:
    body = """design = "search"
[search]
n_trials = 5
finalists = { best = 1, seeds = [9] }
[[search.parameters]]
name = "kernel"
kind = "int"
low = 3
high = 8
edit = "3.kernel={}"
"""
    with pytest.raises(InputError, match=r"mine\.toml: parameter 'kernel': edit '3\.kernel=8'"):
        expand(loaded(tmp_path, body), (16, 16), 4)
    study = loaded(tmp_path, body.replace("high = 8", "high = 7\nstep = 2"))
    design = expand(study, (16, 16), 4)
    assert [variant.names for variant in design.variants] == [("baseline",)]


@pytest.mark.parametrize("edit", ["classes={}", "input={}", "scale.resolution=x{}", "scale.phi={}"])
def test_what_the_data_decide_is_no_parameter_of_a_search(tmp_path: Path, edit: str) -> None:
    body = f"""
design = "search"
[search]
n_trials = 2
finalists = {{ best = 1, seeds = [9] }}
[[search.parameters]]
name = "p"
kind = "categorical"
choices = [2, 8]
edit = "{edit}"
"""
    with pytest.raises(InputError) as error:
        expand(loaded(tmp_path, body), (16, 16))
    assert "mine.toml: parameter 'p': " in str(error.value)
    assert f"edit '{edit}': the data decide; leave it out" in str(error.value)


def test_what_is_admitted_is_new_and_within_the_budget() -> None:
    """The table has kernels of 3 and 5 in rows 2 and 3; by hand in tests/cost/test_variants.py."""
    macs = 47_168
    exp = {"name": "exp", "kind": "categorical", "choices": [8, 16], "edit": "2.exp={}"}
    reduction = {**REDUCTION, "low": 4, "high": 32, "step": 28, "when": {}}
    admission = Admission(space(KERNEL, exp, reduction), (16, 16), {"macs": macs})
    own: dict[str, Value] = {"kernel.2": 3, "kernel.3": 5, "exp": 16, "reduction": 4}
    none = {**own, "exp": 8, "reduction": 32}  # of 16 channels
    assert [admission.admit(none), admission.refuses(none)] == ["impossible"] * 2
    assert admission.holds().startswith("none of it gives a network: ")
    assert "row 2: SE with reduction 32 squeezes 16 channels to none" in admission.holds()
    assert admission.refuses(own) is None
    admitted = admission.admit(own)
    assert admitted == (BASE, BASE.digest((16, 16)))
    assert admission.admit(own) == admission.refuses(own) == "repeated"
    large = {**own, "kernel.2": 5}
    assert [admission.admit(large), admission.refuses(large)] == ["over budget"] * 2
    # Two kernels over 16 channels on 4 x 4 maps have two steps more.
    assert admission.holds() == (
        "the networks that were found have from 47.2k to 48.2k MACs (budget: 47.2k)"
    )
    small = {**own, "kernel.3": 3}
    admission.remember(small, BASE.edit("3.kernel=3").digest((16, 16)))
    assert admission.admit(small) == "repeated"


def test_what_cannot_be_trained_is_not_admitted() -> None:
    """At 203x203 the head of row 14 sees 3x3, and its kernel is 5x5."""
    weight = checked(
        Categorical,
        {"name": "head", "kind": "categorical", "choices": [0, 0.5], "edit": "14.weight={}"},
        place="here",
    )
    heads = Space.of(load_spec("inception_v3"), [weight])
    with pytest.raises(InputError, match="row 14: training runs this head"):
        check_point(heads, {"head": 0.5}, (203, 203), {})
    admission = Admission(heads, (203, 203), {})
    assert admission.admit({"head": 0.5}) == "impossible"
    assert not isinstance(admission.admit({"head": 0}), str)


class Drawn(random.Random):
    """Draws the shares that it was given, in their order."""

    def __init__(self, *shares: float) -> None:
        super().__init__(0)
        self.shares = iter(shares)

    def random(self) -> float:
        return next(self.shares)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        # A third each, and the last one at a share just below 1.
        ({**KERNEL, "each": None, "edit": "3.kernel={}"}, {0: 3, 0.33: 3, 0.34: 5, 0.999: 7}),
        ({**REDUCTION, "when": {}}, {0: 2, 0.249: 2, 0.25: 4, 0.5: 6, 0.75: 8, 0.999: 8}),
        ({**WIDTH, "step": 0.5}, {0: 0.5, 0.25: 1.0, 0.5: 1.5, 0.999: 2.0}),
        (WIDTH, {0: 0.5, 0.5: 1.25, 1: 2.0}),
        ({**WIDTH, "low": 0.01, "high": 1.0, "log": True}, {0: 0.01, 0.5: 0.1, 0.75: 0.1**0.5}),
        # From 0.5 to 8.5, a factor of 17: 0.5 * 17 ** 0.5 is 2.06, and 0.5 * 17 ** 0.75 is 4.19.
        (
            {**DEPTH, "low": 1, "high": 8, "log": True},
            {0: 1, 0.24: 1, 0.5: 2, 0.75: 4, 0.98: 8, 1: 8},
        ),
        # From 1.5 to 4.5, a factor of 3: 1.5 * 3 ** 0.4 is 2.33, and 1.5 * 3 ** 0.5 is 2.6.
        ({**DEPTH, "low": 2, "high": 4, "log": True}, {0: 2, 0.4: 2, 0.5: 3, 1: 4}),
    ],
)
def test_values_are_drawn_evenly_or_on_their_scale(
    table: Table, values: Mapping[float, Value]
) -> None:
    search = {"n_trials": 1, "finalists": FINALISTS, "parameters": [table]}
    (parameter,) = checked(Search, search).parameters
    drawn = draw_assignments(Space(BASE, (parameter,)), len(values), Drawn(*values))
    assert [params[parameter.name] for params in drawn] == pytest.approx(list(values.values()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sse": True}, "unknown parameter 'sse'; did you mean 'se'? (choices: se, reduction)"),
        ({"se": False, "reduction": 4}, "parameter 'reduction': there only when se = true"),
        ({"reduction": 9}, "parameter 'reduction': 9 is not from 2 to 8"),
        (
            {"reduction": 3},
            "unknown value of 'reduction' '3' (choices: 2, 4, 6, 8)",
        ),
        ({"reduction": 2}, "costs 47,680 MACs, and the budget is 47,200 MACs"),
    ],
)
def test_a_point_that_no_sampler_could_draw(given: dict[str, Value], said: str) -> None:
    """SE of 32 channels: 2 * 32 * 16 MACs with a reduction of 2, half with the table's 4."""
    with pytest.raises(InputError) as error:
        check_point(space(SE, REDUCTION), given, (16, 16), {"macs": 47_200})
    assert str(error.value) == said


def test_nothing_is_drawn_for_a_parameter_that_does_not_exist() -> None:
    two = space(SE, REDUCTION)
    drawn = list(draw_assignments(two, 3, Drawn(0.9, 0.1, 0.5, 0.6)))
    assert drawn == [{"se": False}, {"se": True, "reduction": 6}, {"se": False}]


def test_values_as_edits_write_them() -> None:
    assert [as_text(value) for value in (True, 3, 0.5, 1.0, 1 / 3, 0.1 + 0.2, "gelu")] == [
        "true", "3", "0.5", "1", "0.3333", "0.3", "gelu"
    ]  # fmt: skip
    assert Categorical(
        name="a", kind="categorical", choices=(1, 2), edit="b.c={}"
    ).edits(2) == ("b.c=2",)  # fmt: skip


def test_a_space_of_millions_is_sized_at_once() -> None:
    study = load_study(STUDY_FILES / "best.toml")
    assert study.search
    # what is halved, divisor, stem, last, head, four depths, non-linearity
    always = 5 * 2 * 7 * 4 * 4 * 4**4 * 3
    # of an inverted block: filter, two kernels, exp, gate, residual; two other blocks
    blocks = 4 * 2 * 3 * 5 * 4 * 2 + 2
    space = Space.of(study.spec, study.search.parameters, study.recipe)
    assert size_of(space) == always * blocks
