"""Rows of a network timed on this machine, and the rates that the machine has.

A row is run by itself, in training mode, on numbers of the shape that it gets in the network; the
rows take turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from fuseablate.cost import Processor, Profile, TimedRow
from fuseablate.io.terminal import counted
from fuseablate.network.builder import build
from fuseablate.spec import Size, Spec

UNTIMED_TURNS = 2  # turns before any is timed
MATRIX_SIDE = 1024  # of the square matrices whose product gives the rate of MACs
TIMES = 7  # that each of the two is done, of which the fastest counts
COPIED = 2**26  # numbers, 256 MB, whose copy gives the rate of bytes: more than a cache holds


def profiled(
    spec: Spec,
    size: Size,
    *,
    batch: int,
    turns: int,
    device: str,
    tell: Callable[[int], None] = lambda turn: None,
) -> Profile:
    """Return the median seconds of each row over so many turns; `tell` hears of each turn."""
    place = torch.device(device)
    network = _placed(spec, size, place)
    rows = spec.infer(size)
    modules = list(network.train().get_submodule("rows").children())
    inputs = [_numbers((batch, *row.in_shape), place) for row in rows]
    times: list[list[tuple[float, float]]] = [[] for _ in rows]
    for turn in range(-UNTIMED_TURNS, turns):
        for module, x, mine in zip(modules, inputs, times, strict=True):
            both = _seconds(module, x, place)
            if turn >= 0:
                mine.append(both)
        tell(turn + 1)
    machine = measured_rates(device)
    return Profile(
        [
            TimedRow(row, batch, *map(statistics.median, zip(*mine, strict=True)))
            for row, mine in zip(rows, times, strict=True)
        ],
        machine,
    )


def _placed(spec: Spec, size: Size, place: torch.device) -> nn.Module:
    network = build(spec, size=size, fast=place.type == "cpu").to(place)
    return network.to(memory_format=torch.channels_last)


def _numbers(shape: tuple[int, ...], place: torch.device) -> Tensor:
    form = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.randn(shape).to(place, memory_format=form).requires_grad_()


def _seconds(module: nn.Module, x: Tensor, place: torch.device) -> tuple[float, float]:
    """Return the seconds of one forward and one backward pass."""
    finish(place)
    began = time.perf_counter()
    y = module(x)
    finish(place)
    between = time.perf_counter()
    if y is not x:  # a head at the side passes its input on
        y.backward(torch.ones_like(y))
    finish(place)
    ended = time.perf_counter()
    x.grad = None
    module.zero_grad()
    return between - began, ended - between


def finish(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured_rates(device: str) -> Processor:
    """Return the rates of this machine by the threads that torch has: a product, and a copy."""
    place = torch.device(device)
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=place)
    source = torch.ones(COPIED, device=place)
    target = torch.empty_like(source)
    product = _fastest(lambda: matrix @ matrix, place)
    copy = _fastest(lambda: target.copy_(source), place)
    threads = counted(torch.get_num_threads(), "thread") if place.type == "cpu" else "float32"
    return Processor(
        kind="processor",
        gmacs=MATRIX_SIDE**3 / product / 1e9,
        gigabytes=2 * source.nbytes / copy / 1e9,
        title=f"{device}, {threads}, as measured",
        source=f"float32 product of {MATRIX_SIDE} x {MATRIX_SIDE} matrices; "
        f"copy of {source.nbytes >> 20} MB",
    )


def _fastest(work: Callable[[], object], place: torch.device) -> float:
    seconds = []
    for _ in range(TIMES):
        finish(place)
        began = time.perf_counter()
        work()
        finish(place)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def trace(spec: Spec, size: Size, *, batch: int, device: str) -> str:
    """Return one training step as torch's profiler sees it: JSON for chrome://tracing."""
    from torch.profiler import ProfilerActivity, profile

    place = torch.device(device)
    network = _placed(spec, size, place)
    images = torch.randn(batch, 3, *size).to(place, memory_format=torch.channels_last)
    network.train()(images).sum().backward()  # warms up
    cuda = [ProfilerActivity.CUDA] if place.type == "cuda" else []
    activities = [ProfilerActivity.CPU, *cuda]
    with profile(activities=activities, acc_events=True) as recorded:  # 2.11 warns without events
        network(images).sum().backward()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(path))
        return path.read_text(encoding="utf-8")
