"""Seeds of a study: what its file says of them, and what was changed once results were seen."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fuseablate.errors import InputError
from fuseablate.io.terminal import Screen
from fuseablate.report import of_study
from fuseablate.runs.manifest import Manifest
from fuseablate.runs.store import Store, run_digest
from fuseablate.seeds import Looks, SeedPlan, unplanned
from fuseablate.studies.manifest import manifest_of, seen_before
from fuseablate.studies.plan import Plan, make_plan
from fuseablate.studies.screens.plan import print_plan, seeds_said
from fuseablate.studies.study import load_study
from tests.helpers.instant_engine import write_record
from tests.helpers.paths import REPOSITORY
from tests.helpers.study_file import HEAD, factor, loaded

ONE = 'design = "one-factor"\n' + factor("se", "off: all.se=false")
SEARCH = """design = "search"
[search]
n_trials = 10
finalists = { best = 2, seeds = [7, 8] }
[[search.parameters]]
name = "kernel"
kind = "categorical"
choices = [3, 5]
edit = "fuse.kernel={}"
"""


def head(seeds: str) -> str:
    return HEAD.replace("[0, 1]", seeds)


def planned(folder: Path, seeds: str, body: str = ONE) -> Plan:
    return make_plan(loaded(folder, body, head(seeds)), None)


def of(*seeds: int) -> SeedPlan:
    return SeedPlan(each=seeds, reference=seeds)


# The file.


@pytest.mark.parametrize(
    ("seeds", "plan"),
    [
        ("[4, 2]", of(4, 2)),
        ("{ each = 2 }", of(0, 1)),
        ("{ each = 2, reference = 4 }", SeedPlan(each=(0, 1), reference=(0, 1, 2, 3))),
        (
            "{ first = 3, step = 2, most = 8 }",
            SeedPlan(each=(0, 1, 2), reference=(0, 1, 2), looks=Looks(3, 2, 8)),
        ),
    ],
)
def test_a_list_or_a_table(tmp_path: Path, seeds: str, plan: SeedPlan) -> None:
    assert loaded(tmp_path, ONE, head(seeds)).seeds == plan


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("{ each = 0 }", "seeds.each = 0: must be greater"),
        ("{ each = 10000000000 }", "seeds.each = 10000000000: must be less than or equal to 1000"),
        ("{ each = true }", "seeds.each = true"),
        ("{ eech = 3 }", "seeds: unknown key 'eech'; did you mean 'each'?"),
        ("{ each = 3, reference = 2 }", "seeds: reference = 2: must be at least the 3"),
        ("{ each = 3, first = 3 }", "seeds: first: plans looks, which 'each' does without"),
        ("{ first = 3, step = 2 }", "seeds: most: missing; give first, step and most"),
        ("{ reference = 3 }", "seeds: must give each (and reference), or first, step and most"),
        ("{ first = 1, step = 1, most = 3 }", "seeds.first = 1: must be greater"),
        ("{ first = 3, step = 1, most = 3 }", "seeds: most = 3: must be more than first = 3"),
        ("{ first = 2, step = 1, most = 3, reference = 9 }", "seeds: reference: is for 'each'"),
    ],
)
def test_a_bad_table_is_named_in_one_line(tmp_path: Path, seeds: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, ONE, head(seeds))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "seeds", ["{ first = 2, step = 1, most = 3 }", "{ each = 2, reference = 3 }"]
)
def test_a_search_has_neither_looks_nor_a_reference_of_its_own(tmp_path: Path, seeds: str) -> None:
    with pytest.raises(InputError, match=r'design = "search" takes the same .*; write \[0, 1\]'):
        loaded(tmp_path, SEARCH, head(seeds))
    loaded(tmp_path, SEARCH, head("{ each = 2 }"))


# The plan.


def seeds_by_variant(plan: Plan) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for run in plan.runs:
        seeds.setdefault(run.variant.names[0], []).append(run.seed)
    return seeds


def test_the_reference_may_have_more(tmp_path: Path) -> None:
    plan = planned(tmp_path, "{ each = 2, reference = 4 }")
    assert seeds_by_variant(plan) == {"baseline": [0, 1, 2, 3], "se=off": [0, 1]}
    assert [run.seed for run in plan.runs] == [0, 0, 1, 1, 2, 3]
    assert seeds_by_variant(planned(tmp_path, "{ first = 2, step = 1, most = 5 }")) == {
        "baseline": [0, 1], "se=off": [0, 1],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "levels", "said"),
    [
        ("[0, 1, 2]", 1, "Seeds: 3 of each variant"),
        # Twice as many, the root of four times: pairs of runs see three seeds as before.
        ("[0, 1, 2]", 4, "Seeds: 3 of each variant"),
        # Of seven, 2.65 times as many: 1/4 + 1/11 = 15/44 against 1/2, whose root is 0.826.
        (
            "[0, 1, 2, 3]",
            7,
            "Seeds: 4 of each variant; with 11 of the reference, 7 more runs, all intervals would "
            "be about 17 % narrower: seeds = { each = 4, reference = 11 }",
        ),
        (
            "[6, 7, 8, 9]",
            7,
            "Seeds: 4 of each variant; with 11 of the reference, 7 more runs, all intervals would "
            "be about 17 % narrower: seeds = { each = 4, reference = 11 }, which are 0 to 10",
        ),
        (
            "{ each = 3, reference = 6 }",
            4,
            "Seeds: 3 of each variant, 6 of the reference: runs are paired by seed, and those that "
            "the reference has alone tell nothing; from 7 on they do",
        ),
        (
            "{ each = 1, reference = 5 }",
            4,
            "Seeds: 1 of each variant, 5 of the reference: there is no interval of one seed, and "
            "nothing is claimed",
        ),
        (
            "{ each = 3, reference = 9 }",
            4,
            "Seeds: 3 of each variant, 9 of the reference: intervals are about 18 % narrower than "
            "with 3",
        ),
        (
            "{ first = 3, step = 2, most = 8 }",
            4,
            "Seeds: planned looks at 3, 5, 7 and 8; after each, those variants that are still "
            "unclear and the reference are trained on",
        ),
    ],
)
def test_what_a_dry_run_says_of_the_seeds(
    tmp_path: Path, seeds: str, levels: int, said: str
) -> None:
    edits = ["off: all.se=false", "k3: 3.kernel=3", "k7: 3.kernel=7", "wide: 2.exp=32"]
    edits += ["slim: 2.exp=8", "k9: 3.kernel=9", "residual: all.residual=true"]
    body = 'design = "one-factor"\n' + factor("f", *edits[:levels])
    assert seeds_said(planned(tmp_path, seeds, body)) == said


# Its identity.


def test_a_dry_run_says_what_is_longer_than_the_baseline(tmp_path: Path) -> None:
    levels = """design = "one-factor"
[recipe]
base = "quick"
epochs = 4
[[factors]]
name = "length"
levels = [
    { name = "long", recipe = { epochs = 9 } },
    { name = "short", recipe = { epochs = 2 } },
    { name = "rate", recipe = { lr = 0.01 } },
]
"""
    out = Screen(width=200, file=io.StringIO(), record=True)
    print_plan(make_plan(loaded(tmp_path, levels), None), Store(tmp_path / "runs"), 1, out)
    recipe = "4 epochs each by the baseline's recipe (quick epochs=4)"
    assert f"{recipe}, 2 or 9 where a level says so; 8 to do" in out.export_text()


def test_more_seeds_are_the_same_study(tmp_path: Path) -> None:
    looks = "{ first = 2, step = 1, most = 4 }"
    lists = ("[0, 1]", "[0, 1, 2]", "{ each = 2, reference = 3 }", looks)
    plans = [planned(tmp_path, seeds) for seeds in lists]
    assert len({plan.folder(Store(tmp_path)) for plan in plans}) == 1
    other = planned(tmp_path, "[0, 1]", ONE.replace("all.se", "2.se"))
    assert other.folder(Store(tmp_path)) == plans[0].folder(Store(tmp_path))  # the same network
    other = planned(tmp_path, "[0, 1]", ONE.replace("all.se=false", "3.kernel=3"))
    assert other.folder(Store(tmp_path)) != plans[0].folder(Store(tmp_path))


def test_more_finalists_seeds_are_the_same_search_and_more_of_a_trial_are_not(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    folder = planned(tmp_path, "[0, 1]", SEARCH).folder(store)
    assert (
        planned(tmp_path, "[0, 1]", SEARCH.replace("[7, 8]", "[7, 8, 9]")).folder(store) == folder
    )
    assert planned(tmp_path, "[0, 1, 2]", SEARCH).folder(store) != folder


def old_folder(plan: Plan, root: Path, table: list[object] | None = None) -> Path:
    """The folder that a study of before had: named by the runs of all its seeds."""
    size = plan.data.image_size
    assert size == (16, 16)
    content: list[object] = [
        run_digest(variant.spec, variant.recipe, plan.data, seed)
        for seed in plan.seeds.each
        for variant in plan.design.variants
    ]
    text = json.dumps([*content, "baseline", *(table or [])])
    digest = hashlib.sha256(text.encode()).hexdigest()
    folder = root / "studies" / f"mine-{digest[:8]}"
    folder.mkdir(parents=True)
    manifest_of(plan, plan.runs).save(folder)
    path = folder / "study.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in kept.items() if k not in ("seeds", "seen")}))
    return folder


def test_a_folder_of_before_is_gone_on_with(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    plan = planned(tmp_path, "[0, 1]")
    new = plan.folder(store)
    old = old_folder(plan, store.root)
    assert old != new
    assert plan.folder(store) == old
    assert planned(tmp_path, "[0, 1, 2]").folder(store) == old
    (store.root / "studies" / "mine-00000000").mkdir()  # another, without a manifest
    assert planned(tmp_path, "[0, 1, 2]").folder(store) == old
    other = planned(tmp_path, "[0, 1]", ONE.replace("all.se=false", "3.kernel=3"))
    assert other.folder(store) not in (old, new)
    (old / "study.json").unlink()  # its name still says it
    assert plan.folder(store) == old


def test_a_search_of_before_is_gone_on_with(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    plan = planned(tmp_path, "[0, 1]", SEARCH)
    search = plan.study.search
    assert search
    # The keys that a search had then, but for those that change nothing of what is sampled.
    keys = {"sampler", "objectives", "budget", "prune", "first_seed_only", "parameters"}
    table = search.model_dump(mode="json", include=keys)
    old = old_folder(plan, store.root, [[0, 1], table])
    assert plan.folder(store) == old
    other = planned(tmp_path, "[0, 1]", SEARCH.replace("[3, 5]", "[3, 7]"))
    assert other.folder(store) != old


@pytest.mark.cifar100
def test_the_committed_studies_are_found(tmp_path: Path, cifar100_root: Path) -> None:
    root = REPOSITORY
    for name, old in (("se", "se-f6a509d9"), ("se-iso", "se-iso-ced5fd01")):
        path = tmp_path / f"{name}.toml"
        text = (root / "studies" / f"{name}.toml").read_text()
        path.write_text(re.sub(r"(?m)^seeds = .*", "seeds = { each = 7 }", text))
        plan = make_plan(load_study(path), cifar100_root)
        assert plan.folder(Store(root / "reports" / "se")).name == old


# What was changed after results were seen.


@pytest.mark.parametrize(
    ("seen", "now", "said"),
    [
        ([], of(0, 1), None),
        ([of(0, 1)], of(0, 1, 2), "Seed 2 was added"),
        ([of(0, 1, 2)], of(0, 1, 2, 3, 4), "Seeds 3 and 4 were added"),
        ([of(0, 1), of(0, 1, 2, 3)], of(*range(6)), "Seeds 2 to 5 were added"),
        ([of(0, 1)], of(0, 1, 5, 7, 9), "Seeds 5, 7 and 9 were added"),
        ([of(0, 1), of(0, 1, 2)], of(0, 1), "Seed 2 was left out"),
        ([of(0, 1)], of(0, 2), "Seed 2 was added, Seed 1 was left out"),
        ([of(0, 1)], SeedPlan(each=(0, 1), reference=(0, 1, 2)), "Seed 2 was added"),
        (
            [SeedPlan(each=(0, 1), reference=(0, 1), looks=Looks(2, 1, 4))],
            of(0, 1, 2, 3),
            "The plan of the seeds was changed",
        ),
    ],
)
def test_a_change_after_results_in_words(
    seen: list[SeedPlan], now: SeedPlan, said: str | None
) -> None:
    end = (
        " after results were seen: the 5 % error holds for a planned number of seeds only; see "
        "planned looks."
    )
    assert unplanned(seen, now) == ((said + end,) if said else ())


def run_all(plan: Plan, store: Store) -> None:
    for run in plan.runs:
        if store.get(run.digest) is None:
            write_record(plan.job(run, store, 1), run.variant.spec, [0.5], failed=False)


def test_the_manifest_keeps_what_was_changed_after_results(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")

    def begun(seeds: str) -> Manifest:
        plan = planned(tmp_path, seeds)
        folder = plan.folder(store)
        folder.mkdir(parents=True, exist_ok=True)
        plan = replace(plan, seen=seen_before(plan, folder, store))
        manifest_of(plan, plan.runs).save(folder)
        return Manifest.load(folder)

    assert begun("[0, 1]").seen == ()
    assert begun("[0, 1, 2]").seen == ()  # no result yet: nothing was seen
    run_all(planned(tmp_path, "[0, 1, 2]"), store)
    assert begun("[2, 1, 0]").seen == ()  # the same ones
    manifest = begun("[0, 1, 2, 3, 4]")
    assert manifest.seen == (of(0, 1, 2),) or manifest.seen == (of(2, 1, 0),)
    assert begun("[0, 1, 2, 3, 4]").seen == manifest.seen
    notes = of_study(manifest, store.get).notes
    assert [note for note in notes if note.startswith("Seeds 3 and 4 were added after results")]
    run_all(planned(tmp_path, "[0, 1, 2, 3, 4]"), store)
    assert len(begun("{ each = 9 }").seen) == 2
    spoilt = planned(tmp_path, "[0]").folder(store)
    (spoilt / "study.json").write_text("{")
    assert begun("[0, 1]").seen == ()


def test_a_manifest_of_before_is_extended(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    plan = planned(tmp_path, "[0, 1]")
    old_folder(plan, store.root)
    run_all(plan, store)
    more = planned(tmp_path, "[0, 1, 2]")
    assert seen_before(more, more.folder(store), store) == (of(0, 1),)
    assert seen_before(plan, plan.folder(store), store) == ()
