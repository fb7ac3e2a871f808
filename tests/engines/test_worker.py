"""A worker process: what it tells, what it heeds, and what it imports."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fuseablate.engines import worker
from fuseablate.errors import InputError
from tests.helpers.engine_contract import (
    small_job,
)
from tests.helpers.paths import REPOSITORY

# The worker's side, in this process.


class StopOf:
    """Orders that one run is to stop."""

    def __init__(self, number: int) -> None:
        self._number = number

    def is_to_stop(self, number: int) -> bool:
        return number == self._number


class Parent:
    """What a worker's messages are written to."""

    def __init__(self, stop: int = 0) -> None:
        self.heard: list[dict[str, Any]] = []
        self.progress = worker.ParentProgress(self.heard.append, 1, StopOf(stop))


@pytest.mark.parametrize(
    ("error", "device", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: out of memory"), "cuda:1", "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when"), "cuda:0", "memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "cuda:0", "memory"),
        (RuntimeError("CUDA error: an illegal memory access"), "cuda:0", "broken"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: out of memory"), "cpu", "broken"),
        (MemoryError(), "cpu", "broken"),
        (OSError("out of\nmemory"), "cuda:0", "broken"),
        (InputError("a: bad"), "cpu", "refused"),
    ],
)
def test_what_a_worker_tells_of_an_error(
    error: Exception, device: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*of_a_job: object) -> None:
        raise error

    monkeypatch.setattr(worker, "_train", fail)
    parent = Parent()
    worker.train_job(small_job(tmp_path, 0), device, parent.progress)
    (message,) = parent.heard
    assert message["kind"] == kind
    assert str(error).split()[-1:] == message["text"].split()[-1:] or not str(error)
    assert "\n" not in message["text"]


def test_a_worker_of_a_gpu_leaves_the_first_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)
    for name in ("cpu", "mps", "cuda:1"):
        worker.take_device(name)
    assert calls == [torch.device("cuda:1")]


@pytest.mark.parametrize(("stop", "last"), [(1, "stopped"), (2, "finished")])
def test_a_worker_heeds_the_stop_of_its_own_run(tmp_path: Path, stop: int, last: str) -> None:
    parent = Parent(stop)
    threads = torch.get_num_threads()
    worker.train_job(small_job(tmp_path, 0, epochs=2), "cpu", parent.progress)
    torch.set_num_threads(threads)
    kinds = [message["kind"] for message in parent.heard]
    assert kinds == ["started", *["epoch"] * (1 if stop == 1 else 2), last]


def test_the_parents_side_does_not_import_torch() -> None:
    modules = ", ".join(f"fuseablate.engines.{name}" for name in ("local", "workers", "worker"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_a_worker_looks_for_garbage_among_what_it_makes_itself(tmp_path: Path) -> None:
    code = """
import gc, json, sys
from fuseablate.engines import Job, worker
progress = worker.ParentProgress(print, 1, worker.Orders)
worker.train_job(Job.of(json.loads(sys.argv[1])), "cpu", progress)
print(gc.isenabled(), gc.get_freeze_count() > len(gc.get_objects()), "torch" in sys.modules)
"""
    job = json.dumps(replace(small_job(tmp_path, 0), key="0" * 64).to_dict())
    done = subprocess.run(
        [sys.executable, "-c", code, job], capture_output=True, text=True, check=True
    )
    refused, last = done.stdout.splitlines()
    assert "its content is that of the run" in refused
    assert last == "True True True"
