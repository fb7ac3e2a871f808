"""Runs of one network that an engine gives to a worker as one job."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fuseablate.commands.study import stacked_runs
from fuseablate.engines import Asked, Job, process
from fuseablate.engines.cluster.workers import ray_workers
from fuseablate.engines.local import LocalEngine
from fuseablate.engines.stacking import Stacking
from fuseablate.engines.workers import Workers, stacking_workers
from fuseablate.errors import InputError
from fuseablate.runs.store import Store
from tests.helpers.engine_contract import kinds, small_job, until, until_ended

GB = 2**30


def job(key: str, **changes: Any) -> Job:
    values = {"spec": {"rows": []}, "recipe": {"batch_size": 8}, "data": {}, "seed": 0,
              "runs": "runs", "threads": 1}  # fmt: skip
    return Job(key, **{**values, **changes})


def test_runs_of_one_network_and_batch_are_stacked() -> None:
    others = [
        job("seed", seed=1),
        job("rate", recipe={"batch_size": 8, "lr": 0.5, "epochs": 3}),
        job("batch", recipe={"batch_size": 16}),
        job("precision", recipe={"batch_size": 8, "precision": "bf16"}),
        job("average", recipe={"batch_size": 8, "ema": 0.9}),
        job("network", spec={"rows": [1]}),
        job("data", data={"name": "cifar10"}),
        job("threads", threads=2),
        job("store", runs="elsewhere"),
        job("tested", tested=False),
    ]
    chosen = Stacking(9).chosen(job("first"), others)
    assert [each.key for each in chosen] == ["seed", "rate", "tested"]
    assert [each.key for each in Stacking(2).chosen(job("first"), others)] == ["seed"]
    assert Stacking().chosen(job("first"), others) == []


def test_the_memory_of_a_worker_limits_them() -> None:
    """70 % of 10 GB hold three runs of 2 GB each, and one of 8 GB is tried all the same."""
    same = [job(str(seed), memory=2 * GB) for seed in range(9)]
    assert len(Stacking(9, 10 * GB).chosen(same[0], same[1:])) == 2
    assert len(Stacking(2, 10 * GB).chosen(same[0], same[1:])) == 1
    large = [job(str(seed), memory=8 * GB) for seed in range(9)]
    assert Stacking(9, 10 * GB).chosen(large[0], large[1:]) == []


def test_two_stacks_that_were_too_large_at_once_leave_the_lesser_half() -> None:
    stacking = Stacking(16)
    for runs, most in ((6, 3), (16, 3), (3, 1), (2, 1)):  # those of 16 had begun before
        stacking.halve(runs)
        assert stacking.most == most


def test_stacks_are_for_gpus_unless_asked_for() -> None:
    cpu, gpus = Workers(("cpu",), 2, 1), Workers(("cuda:0", "cuda:1"), 2, 1)
    memory = {"cuda:0": 80 * GB, "cuda:1": 40 * GB}
    assert stacking_workers(cpu, None) == cpu
    assert stacking_workers(cpu, 4).stack == 4
    chosen = stacking_workers(gpus, None, memory.__getitem__)
    assert (chosen.stack, chosen.memory) == (16, 20 * GB)
    chosen = stacking_workers(gpus, 1, memory.__getitem__)
    assert (chosen.stack, chosen.memory) == (1, None)


@pytest.mark.parametrize(("text", "runs"), [("auto", None), ("off", 1), ("1", 1), ("12", 12)])
def test_the_flag(text: str, runs: int | None) -> None:
    assert stacked_runs(text) == runs


@pytest.mark.parametrize("text", ["0", "-2", "all", "", "1.5"])
def test_another_word_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--stack {text}: must be auto, off or a number"):
        stacked_runs(text)


def test_a_cluster_has_no_stacks_yet() -> None:
    with pytest.raises(InputError, match=r"--stack 4: .*leave it out with --engine ray"):
        ray_workers(Asked(stack=4))


def test_a_worker_trains_several_and_each_ends_by_itself(tmp_path: Path) -> None:
    jobs = [
        small_job(tmp_path, 0, epochs=2),
        small_job(tmp_path, 1, epochs=40),
        small_job(tmp_path, 2, epochs=3),
        small_job(tmp_path, 3, epochs=2, batch_size=27),  # of another batch size: alone
    ]
    with closing(LocalEngine(Workers(("cpu",), 1, 1, stack=3))) as engine:
        assert engine.free == 6  # a stack, and the next one
        for each in jobs:
            engine.submit(each)
        assert engine.free == 2
        until(engine, "epoch", jobs[1].key)
        engine.stop(jobs[1].key)
        events = until_ended(engine, *(each.key for each in jobs))
    assert kinds(events, jobs[1].key)[-1] == "stopped"
    ways = []
    for each in (jobs[0], jobs[2], jobs[3]):
        record = Store(tmp_path).get(each.key)
        assert record is not None
        ways.append(record.environment["steps"])
    assert ways == ["stacked (3 runs), eager"] * 2 + ["alone, eager"]


def scripted(runs: Path, key: str, *tries: list[Any]) -> Job:
    return job(key, spec={"tries": tries}, runs=str(runs))


def test_where_memory_is_full_half_as_many_are_stacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of a stack plays its script, and what it tells without a key is of all."""
    monkeypatch.setattr(process, "MODULE", "tests.helpers.scripted_worker")
    full, finished = [["tell", "memory", {"text": "full"}]], [["tell", "finished"]]
    with closing(LocalEngine(Workers(("cuda:0",), 1, 1, stack=4), retries=0)) as engine:
        for key in "abcd":
            engine.submit(scripted(tmp_path, key, full, finished))
        events = until_ended(engine, *"abcd")
    said = [event.text for event in events if event.kind == "said"]
    assert said == [
        "cuda:0: out of memory with 4; from now on 2 runs a network",
        "cuda:0: out of memory with 2; from now on 1 run a network",
    ]
    # Then b and d try by themselves, whose own scripts begin with a full memory: their one try.
    ends = {event.key: event.kind for event in events if event.kind in ("finished", "lost")}
    assert ends == {"a": "finished", "b": "finished", "c": "finished", "d": "lost"}


def test_idle_workers_share_the_runs_of_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five for two workers: three and two, though one could have them all."""
    monkeypatch.setattr(process, "MODULE", "tests.helpers.scripted_worker")
    with closing(LocalEngine(Workers(("cpu",), 2, 1, stack=8))) as engine:
        for key in "abcde":
            engine.submit(scripted(tmp_path, key, [["tell", "finished"]]))
        events = until_ended(engine, *"abcde")
    workers = [event.worker for event in events if event.kind == "finished"]
    assert sorted(workers) == ["cpu/0"] * 3 + ["cpu/1"] * 2


def test_a_run_that_broke_off_is_tried_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MODULE", "tests.helpers.scripted_worker")
    dies, finished = [["exit", 3]], [["tell", "finished"]]
    with closing(LocalEngine(Workers(("cpu",), 1, 1, stack=2), retries=1)) as engine:
        for key in "ab":
            engine.submit(scripted(tmp_path, key, dies, finished))
        events = until_ended(engine, *"ab")
    # Both have had a try when the worker that has them dies; b's own first one dies as well.
    assert kinds(events, "a") == ["retried", "finished"]
    assert kinds(events, "b") == ["retried", "lost"]
