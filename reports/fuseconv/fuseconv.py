"""Writes this folder anew: FuSeConv's speed-ups beside ours, and what they rest on.

python reports/fuseconv/fuseconv.py [FOLDER]: FOLDER gets the tables and pictures, this one else.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from fuseablate import Store, load_spec
from fuseablate.cost.machines import load_hardware
from fuseablate.cost.systolic import SystolicArray, cycles
from fuseablate.spec import InferredRow, Spec

HERE = Path(__file__).parent
FORMS = {"full": "fuse", "half": "fuse_half"}
# Of Selvam et al., DATE 2021, and the authors' repository: over KxK depthwise filters, 64 x 64,
# 224 x 224, 1000 classes. MobileNetV3's tables are the papers' own: they always expand, and the
# small one gates its last convolution.
V3, V3_SMALL = ("2.expand=always",), ("2.expand=always", "13.se=true")
PUBLISHED = {
    "mobilenet_v1": ((), (4.1, 6.76, 2.3, 2.36)),
    "mobilenet_v2": ((), (5.1, 7.23, 2.0, 2.1)),
    "mnasnet1_0": ((), (5.06, 7.15, 1.88, 1.97)),
    "mobilenet_v3_small": (V3_SMALL, (3.02, 4.16, 1.6, 1.68)),
    "mobilenet_v3_large": (V3, (3.61, 5.45, 1.76, 1.83)),
}
SIDES = (8, 16, 32, 64, 128, 256)
INPUTS = (32, 64, 96, 128, 160, 192, 224)
FUSENETS = {"full": "fusenet", "half": "fusenet_half", "KxK": "fusenet_kxk"}
ARRAY = load_hardware("systolic64", SystolicArray)
# Runs that are committed: (store, epochs, seeds, the edits or the name of each form).
RUNS = (
    (
        "ablations",
        10,
        (0, 1, 2),
        {"full": "", "half": "fuse.variant=half", "KxK": "fuse.op=mbconv"},
    ),
    ("catalog", 5, (0, 1, 2), FUSENETS),
)


@cache
def network(name: str, form: str = "") -> Spec:
    """Return a network as published, its depthwise filters of that form; KxK by default."""
    spec = load_spec(name)
    edits = PUBLISHED[name][0] if name in PUBLISHED else ()
    spec = spec.edit(*edits) if edits else spec
    return spec.edit(f"all.depthwise={FORMS[form]}") if form else spec


@cache
def rows_of(name: str, form: str, side: int) -> tuple[InferredRow, ...]:
    return network(name, form).infer((side, side))


@cache
def row_cycles(name: str, form: str, side: int, array: SystolicArray) -> tuple[int, ...]:
    return tuple(cycles(row.layer, row.in_shape, array) for row in rows_of(name, form, side))


def speed_up(name: str, form: str, side: int = 224, array: SystolicArray = ARRAY) -> float:
    """Return how many times as fast the network is with all its depthwise filters replaced."""
    before, after = (sum(row_cycles(name, kind, side, array)) for kind in ("", form))
    return before / after


class Replaceable(NamedTuple):
    """A row with a depthwise filter: what its replacement saves, and by what its params grow."""

    place: int
    saved: int
    growth: float


Rule = Callable[[Replaceable], float]
RULES: Mapping[str, Rule] = {
    "grow_least": lambda row: row.growth,
    "save_most": lambda row: -row.saved,
}


def half_replaced(name: str, form: str, rule: Rule) -> float:
    """Return the speed-up with half of the depthwise filters replaced, the first by a rule.

    An odd number is halved downwards; the ranks are those of full pairs, whichever form is used.
    """
    kxk, full = (rows_of(name, kind, 224) for kind in ("", "full"))
    before, pairs, after = (row_cycles(name, kind, 224, ARRAY) for kind in ("", "full", form))
    rows = [
        Replaceable(at, before[at] - pairs[at], new.cost.params / old.cost.params)
        for at, (old, new) in enumerate(zip(kxk, full, strict=True))
        if old.layer != new.layer
    ]
    chosen = sorted(rows, key=rule)[: len(rows) // 2]
    saved = sum(before[row.place] - after[row.place] for row in chosen)
    return sum(before) / (sum(before) - saved)


def speed_ups() -> list[dict[str, Any]]:
    """Return the 20 published figures beside ours."""
    lines = []
    for name, (_, figures) in PUBLISHED.items():
        for (part, form), published in zip(product(("all", "half"), FORMS), figures, strict=True):
            ours = {"all": speed_up(name, form)} if part == "all" else {
                rule: half_replaced(name, form, by) for rule, by in RULES.items()
            }  # fmt: skip
            for rule, value in ours.items():
                lines.append({
                    "network": name, "form": form, "replaced": part,
                    "rule": "" if part == "all" else rule, "published": published,
                    "ours": f"{value:.3f}", "off_percent": f"{100 * (value / published - 1):+.1f}",
                })  # fmt: skip
    return lines


def claims() -> list[dict[str, Any]]:
    """Return the speed-ups with what they rest on taken away."""
    arrays = {
        "the authors' array": ARRAY,
        "no broadcast links": ARRAY.replace(broadcast=False),
        "whole edge tiles": ARRAY.replace(edges="whole"),
    }
    return [
        {"network": name, "form": form, "array": title,
         "speed_up": f"{speed_up(name, form, 224, array):.2f}"}
        for name in PUBLISHED for form in FORMS for title, array in arrays.items()
    ]  # fmt: skip


def square(side: int) -> SystolicArray:
    return ARRAY.replace(rows=side, columns=side)


def grid() -> list[dict[str, Any]]:
    """Return MobileNetV3-Small's speed-ups on arrays and inputs of all sizes."""
    return [
        {"array": side, "input": size, "form": form,
         "speed_up": f"{speed_up('mobilenet_v3_small', form, size, square(side)):.3f}"}
        for form in FORMS for side in SIDES for size in INPUTS
    ]  # fmt: skip


def fusenets() -> list[dict[str, Any]]:
    """Return the cycles of FuSeNet's three forms."""
    lines = []
    for size, side in product((32, 224), SIDES):
        taken = {
            form: sum(row_cycles(name, "", size, square(side))) for form, name in FUSENETS.items()
        }
        best = min(taken, key=lambda form: taken[form])
        lines.append({"input": size, "array": side, **taken, "best": best})
    return lines


def accuracies() -> list[dict[str, Any]]:
    """Return the test top-1 of FuSeNet's forms at 32x32, of the runs that are committed."""
    lines = []
    for store, epochs, seeds, forms in RUNS:
        records = Store(HERE.parent / store).records()
        for form, what in forms.items():
            scores = {
                record.seed: 100 * record.test.top1
                for record in records
                if what in ((record.label,) if store == "ablations" else (record.spec_name,))
                and record.recipe_name == f"standard epochs={epochs}"
                and record.seed in seeds and record.test
            }  # fmt: skip
            assert sorted(scores) == list(seeds), (store, form)
            lines.append({
                "runs": f"reports/{store}", "epochs": epochs, "form": form,
                "seeds": " ".join(map(str, seeds)),
                "top1": " ".join(f"{scores[seed]:.2f}" for seed in seeds),
                "mean": f"{statistics.mean(scores.values()):.2f}",
            })  # fmt: skip
    return lines


TABLES: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "speedups": speed_ups,
    "claims": claims,
    "grid": grid,
    "fusenet": fusenets,
    "accuracy": accuracies,
}
STYLE: Any = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "fuseablate"}
COLOURS = {"full": "#D55E00", "half": "#0072B2", "KxK": "#000000"}  # Okabe and Ito, 2008
MARKERS = {"full": "o", "half": "s", "KxK": "^"}


def draw_grid(lines: Sequence[Mapping[str, Any]]) -> Any:
    """Draw MobileNetV3-Small's speed-ups as two heat maps."""
    import numpy as np
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    values = {
        (line["form"], line["array"], line["input"]): float(line["speed_up"]) for line in lines
    }
    norm = TwoSlopeNorm(1.0, min(values.values()), max(values.values()))
    for axes, form in zip(panels, FORMS, strict=True):
        table = np.array([[values[form, side, size] for size in INPUTS] for side in SIDES])
        image = axes.imshow(table, cmap="RdBu", norm=norm, origin="lower", aspect="auto")
        for (down, across), value in np.ndenumerate(table):
            share = float(norm(value))
            axes.text(across, down, f"{value:.2f}", ha="center", va="center", fontsize=7,
                      color="white" if share > 0.85 or share < 0.15 else "black")  # fmt: skip
        axes.set_xticks(range(len(INPUTS)), [str(size) for size in INPUTS])
        axes.set_yticks(range(len(SIDES)), [f"{side} x {side}" for side in SIDES])
        axes.set_xlabel("Input (pixels a side)")
        axes.set_title(f"{form} pair in place of KxK", loc="left", fontsize=8)
    panels[0].set_ylabel("Systolic array")
    figure.colorbar(image, ax=panels, label="Speed-up (red: slower)")
    return figure


def draw_fusenet(lines: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]]) -> Any:
    """Draw the cycles of FuSeNet's forms over arrays, and their accuracy at 32x32."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, size in zip(panels, (32, 224), strict=False):
        for form in FUSENETS:
            points = [(line["array"], line[form]) for line in lines if line["input"] == size]
            axes.plot(*zip(*points, strict=True), color=COLOURS[form], marker=MARKERS[form],
                      ms=4, lw=1, label=form)  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(SIDES, [str(side) for side in SIDES])
        axes.set_xlabel("Array (rows = columns)")
        axes.set_title(f"Cycles at {size}x{size}", loc="left", fontsize=8)
    panels[0].legend(frameon=False, fontsize=7)
    at32 = next(line for line in lines if line["input"] == 32 and line["array"] == 64)
    axes = panels[2]
    for line in scores:
        filled = line["runs"].endswith("ablations")
        colour = COLOURS[line["form"]]
        cycles_taken = at32[line["form"]] / 1e3
        for score in map(float, line["top1"].split()):
            axes.plot(cycles_taken, score, MARKERS[line["form"]], color=colour, ms=4,
                      mfc=colour if filled else "white")  # fmt: skip
    axes.set_xlabel("Thousand cycles, 64 x 64 array")
    axes.set_ylabel("Test top-1 (%)")
    axes.set_title("CIFAR-100 (hollow: 5 epochs)", loc="left", fontsize=8)
    return figure


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    heads = list(lines[0])
    return "\n".join(
        f"| {' | '.join(map(str, cells))} |"
        for cells in (heads, ["---"] * len(heads), *(line.values() for line in lines))
    )


def side_by_side() -> list[dict[str, Any]]:
    """Return the 20 published figures as the page shows them."""
    lines = []
    for name, (_, figures) in PUBLISHED.items():
        cells = {"network": f"`{name}`"}
        for (part, form), published in zip(product(("all", "half"), FORMS), figures, strict=True):
            ours = (
                speed_up(name, form)
                if part == "all"
                else half_replaced(name, form, RULES["grow_least"])
            )
            title = form if part == "all" else f"{form}, half of the layers"
            cells[title] = f"{published:g} / {ours:.2f} ({100 * (ours / published - 1):+.1f} %)"
        lines.append(cells)
    return lines


def resting() -> list[dict[str, Any]]:
    """Return what the claim rests on as the page shows it."""
    made: dict[str, dict[str, Any]] = {}
    for line in claims():
        row = made.setdefault(line["network"], {"network": f"`{line['network']}`"})
        row[f"{line['form']}, {line['array']}"] = line["speed_up"]
    return list(made.values())


PARTS: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "speed-ups": side_by_side, "claims": resting, "fusenet": fusenets, "accuracy": accuracies,
}  # fmt: skip


def filled(text: str) -> str:
    """Return the page with its tables written anew, each between two marks."""
    for name, lines in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{markdown(lines())}\n{end}{rest.partition(end)[2]}"
    return text


def write(folder: Path, *, pictures: bool = True) -> None:
    """Write the tables and the page and, by matplotlib, the pictures."""
    tables = {name: make() for name, make in TABLES.items()}
    for name, lines in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
    page = (HERE / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(filled(page), encoding="utf-8")
    if not pictures:
        return
    from matplotlib import rc_context

    with rc_context(STYLE):
        drawn = {
            "grid": draw_grid(tables["grid"]),
            "fusenet": draw_fusenet(tables["fusenet"], tables["accuracy"]),
        }
        for name, figure in drawn.items():
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
