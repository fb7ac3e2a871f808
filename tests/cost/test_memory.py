"""Peak memory against what torch's allocator on the CPU gives out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from fuseablate import InputError, build, load_spec, measure
from fuseablate.cost.memory import inference_memory, largest_batch, training_memory
from fuseablate.network.modules import AuxHead, depthwise_conv
from fuseablate.spec import Spec, shipped_specs

BATCH = 4
SOME = {"fusenet", "mobilenet_v3_small", "nin", "googlenet", "shiftnet"}
EVERY = [
    pytest.param(name, marks=() if name in SOME else pytest.mark.slow)
    for name in shipped_specs()
    if measure(load_spec(name)).params < 1e8
]


def peak(work: Callable[[], object]) -> int:
    """Return the most bytes in use at once, but for those that no operator leaves behind."""
    with profile(
        activities=[ProfilerActivity.CPU],
        profile_memory=True,
        record_shapes=True,
        acc_events=True,  # torch 2.11 warns without it
    ) as profiled:
        work()
    events: list[tuple[int, int, int, tuple[int, int]]] = []

    def walk(event: Any, operator: tuple[int, int] | None) -> None:
        if operator is None and event.name.startswith("aten::"):
            operator = event.start_time_ns, event.end_time_ns
        if event.tag.name == "Allocation":
            fields = event.extra_fields
            events.append((event.start_time_ns, fields.ptr, fields.alloc_size, operator or (0, 0)))
        for child in event.children:
            walk(child, operator)

    for root in profiled.profiler.kineto_results.experimental_event_tree():
        walk(root, None)
    events.sort()
    live: dict[int, int] = {}
    left_out: set[int] = set()
    for place, (time, pointer, size, _) in enumerate(events):
        if size > 0:
            live[pointer] = place
        elif (made := live.pop(pointer, None)) is None:
            left_out.add(place)  # from before
        elif events[made][3][0] <= time <= events[made][3][1]:
            left_out |= {made, place}
    now = most = 0
    for place, event in enumerate(events):
        if place not in left_out:
            now += event[2]
            most = max(most, now)
    return most


def size_of(spec: Spec) -> tuple[int, int]:
    """Return 96x96 for the tables of large images, where they take it."""
    if spec.input[0] <= 64:
        return spec.input
    try:
        spec.infer((96, 96))
        spec.check_trainable((96, 96))
    except InputError:
        return spec.input
    return 96, 96


def measured(spec: Spec) -> tuple[int, int]:
    """Return the peaks of inference and of a training step, without weights and images."""
    size = size_of(spec)
    network = build(spec, size=size, fast=True).to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, *size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, spec.classes, (BATCH,))
    heads = [module for module in network.modules() if isinstance(module, AuxHead)]

    def step() -> None:
        loss = F.cross_entropy(network(images), labels)
        for head in heads:
            assert head.logits is not None
            loss = loss + head.weight * F.cross_entropy(head.logits, labels)
            head.logits = None
        loss.backward()  # type: ignore[no-untyped-call]

    with torch.no_grad():
        inference = peak(lambda: network.eval()(images))
    network.train()
    step()
    network.zero_grad(set_to_none=True)
    return inference, peak(step)


@pytest.fixture
def _torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave depthwise convolutions to torch, as on GPUs, and pad no map for their gradients."""
    monkeypatch.setattr(depthwise_conv, "IS_X86", False)


@pytest.mark.parametrize("name", ["fusenet", "mobilenet_v3_small"])
def test_a_cpus_own_gradients_take_little_more(name: str) -> None:
    spec = load_spec(name)
    _, training = measured(spec)
    predicted = training_memory(spec, size_of(spec), BATCH).work
    assert 0.99 * predicted < training < 1.1 * predicted


@pytest.mark.usefixtures("_torchs_own")
@pytest.mark.parametrize("name", EVERY)
def test_within_a_tenth_of_what_torch_allocates(name: str) -> None:
    spec = load_spec(name)
    size = size_of(spec)
    inference, training = measured(spec)
    assert inference_memory(spec, size, BATCH).work == pytest.approx(inference, rel=0.02)
    assert training_memory(spec, size, BATCH).work == pytest.approx(training, rel=0.02)


@pytest.mark.usefixtures("_torchs_own")
def test_of_attention_and_blocks_of_other_papers() -> None:
    rows: list[dict[str, Any]] = [
        {"op": "conv", "kernel": 3, "out": 16, "stride": 2, "norm": "batch", "nl": "relu"},
        {"op": "coordinate"},
        {"op": "eca"},
        {"op": "ghost", "out": 24},
        {"op": "shuffle", "out": 40, "stride": 2, "depth": 2},
        {"op": "bsconv", "out": 32},
        {"op": "convnext", "scale": 0.1},
        {"op": "pool"},
        {"op": "conv", "kernel": 1, "out": "classes", "form": "linear"},
    ]
    for some in (rows, [rows[0], rows[1], *rows[7:]]):
        spec = Spec.from_dict({"input": 24, "classes": 10, "rows": some})
        inference, training = measured(spec)
        assert inference_memory(spec, batch=BATCH).work == pytest.approx(inference, rel=0.02)
        assert training_memory(spec, batch=BATCH).work == pytest.approx(training, rel=0.02)


def test_by_hand() -> None:
    # Row 1 of FuSeNet for one image of 32x32: conv to 16x16x16, its norm, H-Swish in place, so
    # that two maps of 4096 numbers are there at once; row 2 has none larger.
    spec = load_spec("fusenet")
    memory = inference_memory(spec, (32, 32))
    assert memory.images == 4 * 3 * 32 * 32
    assert memory.optimizer == 0
    assert training_memory(spec, (32, 32), optimizer="adam").optimizer == 2 * 4 * 3_284_608
    assert training_memory(spec, (32, 32)).optimizer == 4 * 3_284_608
    assert training_memory(spec, (32, 32), 8).work > 4 * 3_284_608  # the gradients alone


def test_the_largest_batch_is_the_last_that_fits() -> None:
    spec = load_spec("fusenet")
    most = 500_000_000
    batch = largest_batch(spec, most, (32, 32))
    fits, more = (training_memory(spec, (32, 32), n).total for n in (batch, batch + 1))
    assert fits <= most < more
    assert largest_batch(spec, 1000, (32, 32)) == 0
