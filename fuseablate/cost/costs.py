"""The costs of a network: the one table of what each is, how it is computed and written."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuseablate.cost.kinds import CostKind
from fuseablate.cost.machines import load_hardware
from fuseablate.cost.memory import inference_peak, training_peak
from fuseablate.cost.roofline import Processor, roofline
from fuseablate.cost.systolic import SystolicArray, cycles
from fuseablate.cost.traffic import EnergyTable, energy, intensity, traffic
from fuseablate.errors import InputError, check_kind, unknown
from fuseablate.layers import Cost
from fuseablate.plugins import Registry
from fuseablate.spec import Size, Spec

AT = "@"  # between the name of a cost and what it is taken on: cycles@systolic64


def _images(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise InputError(f"'{text}' is not a number of images, such as 128")
    return int(text)


_ROWS: tuple[CostKind, ...] = (
    CostKind(
        name="macs", title="MACs", unit="MACs", count=lambda part, _: part.cost.macs,
        source="multiply-accumulates of convolutions and linear layers; equal to fvcore's",
    ),
    CostKind(
        name="params", title="Params", unit="params", count=lambda part, _: part.cost.params,
        source="learned numbers, auxiliary heads among them; equal to torch's",
    ),
    CostKind(
        name="latency", title="Latency", unit="ms", axis="Latency (ms an image)", decimals=2,
        budget=False, source="measured by searches: batch 1, float32, one thread; the median",
    ),
    CostKind(
        name="activations", title="Activations", unit="activations",
        count=lambda part, _: part.cost.activations,
        source="numbers that convolutions and linear layers put out (Radosavovic et al., 2020)",
    ),
    CostKind(
        name="bytes", title="Size", unit="MB", per=1e6, decimals=2,
        count=lambda part, _: part.cost.bytes,
        source="weights and buffers as saved in float32",
    ),
    CostKind(
        name="cycles", title="Cycles", unit="cycles", option="systolic64",
        read=lambda text: load_hardware(text, SystolicArray),
        count=lambda part, array: cycles(part.layer, part.in_shape, array),
        source="FuSeConv's model of a systolic array (Selvam et al., DATE 2021)",
    ),
    CostKind(
        name="array_time", title="Array time", unit="µs", per=1e3, decimals=2,
        option="systolic64", read=lambda text: load_hardware(text, SystolicArray),
        count=lambda part, array: 1e3 * cycles(part.layer, part.in_shape, array) / array.clock_mhz,
        source="cycles at the array's clock",
    ),
    CostKind(
        name="inference_memory", title="Inference memory", unit="MB", per=1e6, decimals=2,
        sums=False, option="1", read=_images,
        count=lambda part, batch: inference_peak(part.layer, part.in_shape, batch).total,
        source="peak of weights, images and maps that are alive together, in float32",
    ),
    CostKind(
        name="training_memory", title="Training memory", unit="MB", per=1e6, decimals=1,
        sums=False, option="128", read=_images,
        count=lambda part, batch: training_peak(part.layer, part.in_shape, batch).total,
        source="peak of a training step in float32, SGD with momentum",
    ),
    CostKind(
        name="traffic", title="Traffic", unit="MB", per=1e6, decimals=2,
        count=lambda part, _: traffic(part.layer, part.in_shape),
        source="bytes that layers read and write in float32, nothing fused or cached",
    ),
    CostKind(
        name="intensity", title="Intensity", unit="MACs/byte", decimals=2, sums=False, budget=False,
        count=lambda part, _: intensity(part.layer, part.in_shape),
        source="MACs for each byte of traffic",
    ),
    CostKind(
        name="roofline", title="Roofline", unit="µs", per=1e3, decimals=2,
        option="a100", read=lambda text: load_hardware(text, Processor),
        count=lambda part, processor: roofline(part.layer, part.in_shape, processor),
        source="each layer at the processor's rate or the memory's (Williams et al., CACM 2009)",
    ),
    CostKind(
        name="energy", title="Energy", unit="mJ", per=1e9, decimals=3,
        option="horowitz45", read=lambda text: load_hardware(text, EnergyTable),
        count=lambda part, table: energy(part.layer, part.in_shape, table),
        source="MACs and traffic by Horowitz's table (ISSCC 2014): 45 nm, float32, DRAM",
    ),
)  # fmt: skip


def _check(name: str, part: CostKind) -> None:
    if not isinstance(part, CostKind):
        raise InputError(f"is a {type(part).__name__}, and not a CostKind")
    if part.name != name:
        raise InputError(f"its own name is '{part.name}'; write one")


COSTS = Registry("costs", {kind.name: kind for kind in _ROWS}, _check)
BUDGETS = tuple(kind.name for kind in _ROWS if kind.budget)
SUMMARY = ("params", "macs")  # what a network's size is told by, in this order


def cost_kind(name: str) -> CostKind:
    """Return the cost that `macs`, `cycles@systolic64` or `training_memory@64` names.

    Raise `InputError` where there is no such cost, or what stands behind the @ is not for it.
    """
    try:
        file = Path(name.partition(AT)[2]).stat() if name.endswith(".toml") else None
    except (OSError, ValueError):  # no file
        file = None
    if file is None:
        return _cost_kind(name)
    return _cost_kind(name, file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size)


@functools.lru_cache(maxsize=256)
def _cost_kind(name: str, *file: int) -> CostKind:
    """`file`: what differs where a machine's own file does, which is then read anew."""
    base, at, option = name.partition(AT)
    kind = COSTS.named(base)
    if not at:
        return kind
    if kind.read is None:
        raise InputError(f"'{name}': {base} is the same on all machines; leave {AT}{option} out")
    title = f"{kind.title}{AT}{Path(option).stem}"
    chosen = replace(kind, name=name, title=title, option=option)
    try:
        chosen.chosen  # noqa: B018 - read now, so that what is wrong is said where it was written
    except InputError as error:
        raise error.within(f"'{name}'") from None
    return chosen


def cost_kinds(names: Iterable[str]) -> list[CostKind]:
    """Return the costs of those names; machines in files of one name have titles of their own."""
    kinds = [cost_kind(name) for name in names]
    titles = Counter(kind.title for kind in {kind.name: kind for kind in kinds}.values())
    return [
        replace(kind, title=f"{kind.title.partition(AT)[0]}{AT}{Path(kind.option).with_suffix('')}")
        if titles[kind.title] > 1
        else kind
        for kind in kinds
    ]


def read_names(
    text: str, known: Callable[[str], object], choices: Sequence[str]
) -> tuple[str, ...]:
    """Return the names that `macs,cycles` writes, each once; `known` raises where one is not."""
    parts = [name.strip().partition(AT) for name in text.split(",")]
    names = [base.lower() + at + option for base, at, option in parts]
    for name in names:
        if not name:
            raise InputError(f"'{text}' leaves a name out (choices: {', '.join(choices)})")
        known(name)
        if names.count(name) > 1:
            raise InputError(f"'{text}' names '{name}' twice; write each column once")
    return tuple(names)


def read_costs(text: str) -> tuple[str, ...]:
    """Return the costs that `params,macs,cycles@systolic64` names, which a table alone tells."""
    return read_names(text, computed, [name for name in COSTS if not COSTS[name].measured])


def computed(name: str) -> CostKind:
    """Return the cost of that name; an `InputError` where it is measured and no table tells it."""
    if (base := name.partition(AT)[0]) not in COSTS:
        raise unknown("cost", base, [name for name in COSTS if not COSTS[name].measured])
    kind = cost_kind(name)
    if kind.measured:
        raise InputError(f"'{name}' is measured on a machine, and no table tells it")
    return kind


def limited(name: str) -> CostKind:
    """Return the cost of that name; an `InputError` where no budget can limit it."""
    kind = cost_kind(name)
    if not kind.budget:
        raise unknown("budget", name, [name for name in COSTS if COSTS[name].budget])
    return kind


def spec_costs(spec: Spec, names: Sequence[str], size: Size | None = None) -> dict[str, float]:
    """Return the costs of those names of one image of `size` (H, W), the table's own by default."""
    rows = spec.infer(size)
    return {name: cost_kind(name).total(rows) for name in names}


def summary(cost: Any) -> str:
    """Return the size of a network in words: 3.28M params, 4.12M MACs."""
    return ", ".join(COSTS[name].counted(getattr(cost, name)) for name in SUMMARY)


def within(costs: Mapping[str, float], limits: Mapping[str, float]) -> bool:
    """Whether each cost that has a limit is at most that, by the names of the costs."""
    return all(costs[name] <= limit for name, limit in limits.items())


def measure(spec: Spec, size: Size | None = None) -> Cost:
    """Return what one image of `size` (H, W), the table's own by default, costs in `spec`.

    Params and MACs are those that fvcore counts on the built network (`network.check`). Raise
    `InputError` where the network cannot take images of that size.
    """
    check_kind("spec", spec, Spec, "load_spec", "fusenet")
    return Cost.total(row.cost for row in spec.infer(size))
