"""How many workers there are, on what, and with how many threads."""

from __future__ import annotations

from typing import Any

import pytest

from fuseablate.engines.workers import Workers, choose_workers, gpu_numbers
from fuseablate.errors import InputError
from fuseablate.io.cores import usable_cores

# The plan.


def no_gpu() -> int:
    return 0


def test_by_default_each_core_has_a_worker() -> None:
    assert choose_workers(cores=6, count_gpus=no_gpu) == Workers(("cpu",), 6, 1)
    assert choose_workers(count_gpus=no_gpu).count == usable_cores()


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8])
def test_the_threads_of_a_run_do_not_follow_from_the_workers(workers: int) -> None:
    assert choose_workers(workers, cores=8) == Workers(("cpu",), workers, 1)


@pytest.mark.parametrize(("threads", "workers"), [(1, 8), (2, 4), (3, 2), (5, 1), (8, 1), (9, 1)])
def test_as_many_workers_as_the_cores_can_serve(threads: int, workers: int) -> None:
    chosen = choose_workers(threads=threads, cores=8, count_gpus=no_gpu)
    assert chosen == Workers(("cpu",), workers, threads)


def test_a_study_takes_the_devices_that_train_takes() -> None:
    chosen = choose_workers(cores=8, count_gpus=no_gpu, has_mps=lambda: True)
    assert chosen == Workers(("mps",), 1, 1)
    chosen = choose_workers(cores=8, count_gpus=lambda: 1, has_mps=lambda: True)
    assert chosen == Workers(("cuda:0",), 1, 1)
    assert choose_workers(2, cores=8, has_mps=lambda: True) == Workers(("cpu",), 2, 1)


def test_gpus_are_shared() -> None:
    assert choose_workers(cores=16, count_gpus=lambda: 2) == Workers(("cuda:0", "cuda:1"), 1, 1)
    plan = choose_workers(gpus=(1,), per_gpu=3, threads=4, cores=16, count_gpus=lambda: 2)
    assert plan == Workers(("cuda:1",), 3, 4)
    plan = choose_workers(per_gpu=4, cores=2, count_gpus=lambda: 2)
    assert plan == Workers(("cuda:0", "cuda:1"), 4, 1)
    assert plan.count == 8


@pytest.mark.parametrize(
    ("flags", "gpus", "message"),
    [
        (
            {"workers": 5},
            0,
            "--workers 5: must be from 1 to 4: there are 4 usable CPU cores, and each needs one "
            "(nearest: 4)",
        ),
        (
            {"workers": 0},
            0,
            "--workers 0: must be from 1 to 4: there are 4 usable CPU cores, and each needs one "
            "(nearest: 1)",
        ),
        (
            {"workers": 3, "threads": 2},
            0,
            "--workers 3: must be from 1 to 2: there are 4 usable CPU cores, and each needs 2, "
            "for its threads (nearest: 2)",
        ),
        (
            {"workers": 2, "gpus": (0,)},
            1,
            "--workers 2: is for the CPU; with GPUs use --per-gpu, or leave it out",
        ),
        ({"gpus": (0, 2)}, 2, "--gpus 0,2: GPU 2 is not available (CUDA devices: 0 to 1)"),
        ({"gpus": (1,)}, 1, "--gpus 1: GPU 1 is not available (CUDA devices: 0)"),
        ({"per_gpu": 2}, 0, "--per-gpu: GPU 0 is not available (CUDA devices: none)"),
        ({"per_gpu": 0}, 1, "--per-gpu 0: must be at least 1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(flags: dict[str, Any], gpus: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_workers(**flags, cores=4, count_gpus=lambda: gpus)
    assert str(caught.value) == message


def test_gpu_numbers() -> None:
    assert gpu_numbers("0,1") == (0, 1)
    for text in ("", "0,", "a", "-1", "0 1"):
        with pytest.raises(InputError, match="must be the numbers of GPUs"):
            gpu_numbers(text)
    with pytest.raises(
        InputError, match=r"^--gpus 1,1: names a GPU twice; --per-gpu lets runs share one$"
    ):
        gpu_numbers("1,1")


@pytest.mark.parametrize("threads", [0, -1])
def test_a_run_has_a_thread_at_least(threads: int) -> None:
    with pytest.raises(InputError, match=rf"threads = {threads}: must be at least 1"):
        choose_workers(threads=threads)
