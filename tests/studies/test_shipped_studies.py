"""Every study that ships: what it holds, and that its head says what a reader needs."""

from __future__ import annotations

import pytest

from fuseablate.cost.costs import measure
from fuseablate.studies.design import expand
from fuseablate.studies.study import load_study
from tests.helpers.paths import STUDY_FILES

# Their variants, counted by hand: the baseline and each level, or as said.
SHIPPED = {
    "activation": 6,
    "anchor": 2,
    "best": 1,
    "best-edits": 10,  # the table, all eight edits, and all but one
    "best-long": 2,
    "expansion": 9,  # the baseline, four, and four at equal MACs
    "factorial": 14,  # 2 x 2 x 2; all but the baseline and nl=relu cost other MACs
    "hardware": 1,
    "kernel": 5,
    "operator": 5,
    "optimizer": 4,
    "precision": 3,
    "quickstart": 4,
    "maps": 3,
    "ranks": 22,
    "recipe": 1,
    "residual": 2,
    "se": 2,
    "se-form": 6,
    "se-iso": 3,  # with SE, without, and without at equal MACs
    "catalog": 10,
    "se-per-row": 20,  # SE stands in rows 2, 5 to 12 and 13; row 2's hardly costs MACs
    "search": 1,
    "tuned": 2,
}
EPOCHS = (
    {"anchor": 100, "catalog": 5, "precision": 50, "ranks": 40}
    | dict.fromkeys(("best-edits", "hardware", "se", "se-iso", "se-form", "search"), 20)
    | dict.fromkeys(("best-long", "maps", "recipe"), 65)
)

ONE_SEED = ("anchor", "best", "maps", "ranks", "recipe")


def test_these_studies_ship() -> None:
    assert {path.stem for path in STUDY_FILES.glob("*.toml")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_study_loads_expands_and_is_costed(name: str) -> None:
    path = STUDY_FILES / f"{name}.toml"
    schema, *head = path.read_text().splitlines()[:5]
    assert schema == "#:schema ./study.schema.json"
    assert [line.split(":")[0] for line in head] == [
        "# Question", "# Command", "# Duration", "# Found"
    ]  # fmt: skip
    assert f"fuseablate study run studies/{name}.toml" in head[1]
    assert load_study(name).path.read_text() == path.read_text()
    study = load_study(path)
    assert study.data.image_size == (32, 32)
    design = expand(study, (32, 32), study.data.known_classes)
    assert len(design.variants) == SHIPPED[name]
    assert all(len(variant.names) == 1 for variant in design.variants)
    for variant in design.variants:
        cost = measure(variant.spec, (32, 32))
        assert cost.params > 0
        assert cost.macs > 0
    if name != "quickstart":
        seeds = {"se": 5, "tuned": 5} | dict.fromkeys(ONE_SEED, 1)
        first = 1 if name.startswith("best-") else 0  # seeds that the search had not seen
        wanted = tuple(range(first, first + seeds.get(name, 3)))
        assert (study.data.name, study.seeds.each) == ("cifar100", wanted)
        assert study.recipe.epochs == EPOCHS.get(name, 10)
