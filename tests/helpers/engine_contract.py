"""What every engine must do; the test module of an engine subclasses `EngineContract`.

That module has two fixtures of its scope: `bench` starts engines and knows which process trains a
run, and `engine` is one of two workers that the tests share, since a worker takes seconds to import
torch.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch

from fuseablate.engines import process
from fuseablate.engines.base import Engine, Event, Job
from fuseablate.engines.workers import Workers
from fuseablate.runs.record import Record
from fuseablate.runs.status import StudyStatus
from fuseablate.runs.store import Store, run_digest
from fuseablate.studies.execute import execute
from fuseablate.tracking.delivered import Delivered
from fuseablate.training import SilentProgress, train
from tests.helpers.instant_engine import Quiet
from tests.helpers.searches import BEST, study_plan
from tests.helpers.small_run import CLASSES, small_data, small_recipe, small_spec

ENDS = ("finished", "failed", "stopped", "lost")  # the kinds of event that a job ends in
SECONDS = 90  # how long a test waits for what should take seconds: machines can be busy
DATA = {
    "name": "generated", "root": None, "classes": CLASSES, "size": 16, "train_images": 60,
    "test_images": 10,
}  # fmt: skip


class Bench(Protocol):
    """What the suite needs of an engine besides the engine itself."""

    killed: str  # what a `retried` event says of a worker that was killed

    trained_by: dict[str, int]  # by the keys of runs, the processes that they were given to last

    def start(self, workers: int, retries: int = 2) -> Engine: ...


def small_job(runs: Path, seed: int, **changes: object) -> Job:
    spec, recipe = small_spec(), small_recipe(**changes)
    return Job(
        key=run_digest(spec, recipe, small_data(), seed),
        spec=spec.to_dict(),
        recipe=recipe.model_dump(mode="json"),
        data=DATA,
        seed=seed,
        runs=str(runs),
        threads=1,
    )


def directly(runs: Path, seed: int, **changes: object) -> Record:
    return train(
        small_spec(),
        small_recipe(**changes),
        small_data(),
        seed,
        store=Store(runs),
        device="cpu",
        threads=1,
        progress=SilentProgress(),
    )


def events_until(engine: Engine, done: Callable[[list[Event]], bool]) -> list[Event]:
    """Return the events up to the moment when `done` holds for all of them."""
    events: list[Event] = []
    deadline = time.monotonic() + SECONDS
    while not done(events):
        assert time.monotonic() < deadline, events
        events += engine.poll(0.5)
    return events


def until_ended(engine: Engine, *keys: str) -> list[Event]:
    """Return the events until each of the jobs has ended, and see that each ends once."""

    def ended(events: list[Event]) -> list[str]:
        return sorted(event.key for event in events if event.kind in ENDS)

    events = events_until(engine, lambda events: set(ended(events)) >= set(keys))
    assert ended(events) == sorted(keys)
    return events


def until(engine: Engine, kind: str, key: str) -> list[Event]:
    return events_until(
        engine, lambda events: any((event.kind, event.key) == (kind, key) for event in events)
    )


def kinds(events: list[Event], key: str) -> list[str]:
    return [event.kind for event in events if event.key == key]


def assert_same_run(runs: Path, others: Path, key: str) -> None:
    """See that both stores hold the run with the same numbers and weights, to the last bit."""
    record, other = Store(runs).get(key), Store(others).get(key)
    assert record
    assert other
    for name in ("lr", "train_loss", "train_top1", "val_loss", "val_top1"):
        assert getattr(record.curves, name) == getattr(other.curves, name)
    assert (record.val, record.test) == (other.val, other.test)
    left, right = (
        torch.load(Store(root).folder(key) / "weights.pt", weights_only=True)
        for root in (runs, others)
    )
    assert all(torch.equal(left[name], right[name]) for name in left)


class EngineContract:
    def test_runs_end_as_those_of_a_direct_call(self, engine: Engine, tmp_path: Path) -> None:
        jobs = [small_job(tmp_path / "engine", seed) for seed in range(3)]
        assert engine.free == 2
        for job in jobs:
            engine.submit(job)
        assert engine.free == 0
        events = until_ended(engine, *(job.key for job in jobs))
        assert engine.free == 2
        assert len({event.worker for event in events}) == 2
        for job in jobs:
            assert kinds(events, job.key) == ["started", *["epoch"] * 4, "finished"]
            directly(tmp_path / "direct", job.seed)
            assert_same_run(tmp_path / "engine", tmp_path / "direct", job.key)

    def test_an_epoch_brings_the_curves_so_far(self, engine: Engine, tmp_path: Path) -> None:
        job = small_job(tmp_path, 1)
        engine.submit(job)
        events = until_ended(engine, job.key)
        curves = [event.curves for event in events if event.kind == "epoch"]
        record = Store(tmp_path).get(job.key)
        assert record
        for epochs, so_far in enumerate(curves, 1):
            assert so_far
            whole = vars(record.curves)
            assert {key: tuple(column) for key, column in so_far.items()} == {
                key: column[:epochs] for key, column in whole.items()
            }

    def test_a_run_that_the_store_holds_is_not_trained(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        record = directly(tmp_path, 0)
        job = small_job(tmp_path, 0)
        engine.submit(job)
        assert kinds(until_ended(engine, job.key), job.key) == ["finished"]
        assert Store(tmp_path).get(job.key) == record

    def test_a_loss_that_is_not_finite_is_no_reason_to_retry(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        job = small_job(tmp_path, 0, lr=1e30, schedule={"kind": "cosine"})
        engine.submit(job)
        assert kinds(until_ended(engine, job.key), job.key)[-1] == "failed"
        record = Store(tmp_path).get(job.key)
        assert record
        assert record.status == "failed"

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"data": {"name": "folder", "root": "nowhere", "size": 16}}, "nowhere"),
            ({"key": "0" * 64}, "its content is that of the run"),
            ({"seed": 7}, "its content is that of the run"),
        ],
    )
    def test_bad_input_is_lost_at_once_with_its_text(
        self, engine: Engine, tmp_path: Path, changes: dict[str, Any], text: str
    ) -> None:
        job = replace(small_job(tmp_path, 0), **changes)
        engine.submit(job)
        (event,) = until_ended(engine, job.key)
        assert event.kind == "lost"
        assert text in event.text

    def test_a_key_is_taken_once_at_a_time(self, engine: Engine, tmp_path: Path) -> None:
        job = small_job(tmp_path, 0)
        engine.submit(job)
        with pytest.raises(ValueError, match=job.key):
            engine.submit(job)
        until_ended(engine, job.key)

    def test_stop_keeps_the_checkpoint(self, engine: Engine, tmp_path: Path) -> None:
        job = small_job(tmp_path, 0, epochs=400)
        engine.submit(job)
        until(engine, "epoch", job.key)
        engine.stop(job.key)
        assert until_ended(engine, job.key)[-1].kind == "stopped"
        assert Store(tmp_path).get(job.key) is None
        engine.stop(job.key)  # too late, and no matter
        engine.submit(job)
        started, *_ = until(engine, "epoch", job.key)
        assert started.done
        engine.stop(job.key)
        until_ended(engine, job.key)

    def test_stop_takes_a_waiting_job_away(self, engine: Engine, tmp_path: Path) -> None:
        jobs = [small_job(tmp_path, seed, epochs=400) for seed in range(3)]
        for job in jobs:
            engine.submit(job)
        engine.stop(jobs[2].key)
        # The other two may have begun by now, on a busy machine.
        (event,) = [event for event in engine.poll(0) if event.key == jobs[2].key]
        assert (event.kind, event.key, event.worker) == ("stopped", jobs[2].key, "")
        for job in jobs[:2]:
            engine.stop(job.key)
        until_ended(engine, jobs[0].key, jobs[1].key)

    def test_a_run_that_another_process_trains_is_waited_for(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        held, other = small_job(tmp_path, 0), small_job(tmp_path, 1)
        with Store(tmp_path).open(held.key):
            engine.submit(held)
            events = until(engine, "said", held.key)
            assert "another process is training this run" in events[-1].text
            engine.submit(other)
            until_ended(engine, other.key)
            engine.poll(1)
        events = until_ended(engine, held.key)
        assert kinds(events, held.key) == ["started", *["epoch"] * 4, "finished"]

    def test_a_killed_worker_costs_its_own_run_a_try(
        self, engine: Engine, bench: Bench, tmp_path: Path
    ) -> None:
        killed, other = small_job(tmp_path / "engine", 0, epochs=60), small_job(tmp_path, 1)
        engine.submit(killed)
        until(engine, "epoch", killed.key)
        engine.submit(other)
        os.kill(bench.trained_by[killed.key], signal.SIGKILL)
        later = until_ended(engine, killed.key, other.key)
        assert kinds(later, other.key) == ["started", *["epoch"] * 4, "finished"]
        (retried,) = [event for event in later if event.kind == "retried"]
        assert (retried.key, bench.killed in retried.text) == (killed.key, True)
        again = [event for event in later if (event.kind, event.key) == ("started", killed.key)]
        assert again[-1].done
        directly(tmp_path / "direct", 0, epochs=60)
        assert_same_run(tmp_path / "engine", tmp_path / "direct", killed.key)

    def test_tries_without_a_checkpoint_come_to_an_end(self, bench: Bench, tmp_path: Path) -> None:
        engine = bench.start(workers=1, retries=2)
        try:
            job = small_job(tmp_path, 0)
            bench.trained_by.clear()
            engine.submit(job)
            events: list[Event] = []
            while "lost" not in kinds(events, job.key):
                deadline = time.monotonic() + SECONDS
                while job.key not in bench.trained_by:
                    assert time.monotonic() < deadline
                    assert not engine.poll(0.1)
                # Most likely while it imports torch.
                os.kill(bench.trained_by.pop(job.key), signal.SIGKILL)
                before = len(events)
                while len(events) == before:
                    assert time.monotonic() < deadline
                    events += engine.poll(0.5)
            assert kinds(events, job.key) == ["retried", "retried", "lost"]
            assert "3 tries" in events[-1].text
            assert engine.free == 1
        finally:
            engine.close()

    def test_a_closed_engine_leaves_runs_that_go_on(
        self, engine: Engine, bench: Bench, tmp_path: Path
    ) -> None:
        job = small_job(tmp_path / "engine", 0, epochs=60)
        first = bench.start(workers=1)
        first.submit(job)
        until(first, "epoch", job.key)
        first.close()
        assert first.free == 0
        assert first.poll(0) == []
        first.close()
        assert Store(tmp_path / "engine").get(job.key) is None
        engine.submit(job)
        events = until_ended(engine, job.key)
        assert events[0].done
        directly(tmp_path / "direct", 0, epochs=60)
        assert_same_run(tmp_path / "engine", tmp_path / "direct", job.key)

    def test_latency_is_measured_while_nothing_is_trained(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        small, size = small_spec(), (16, 16)
        first, again = engine.latencies([small, small], size)
        assert first > 0
        assert again > 0
        job = small_job(tmp_path, 0, epochs=400)
        engine.submit(job)
        with pytest.raises(ValueError, match="while no run is trained"):
            engine.latencies([small], size)
        engine.stop(job.key)
        until_ended(engine, job.key)

    @pytest.mark.slow
    def test_a_search_is_pruned_and_tracked(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the driver learns from the engine's events is what it prunes and tracks by."""
        monkeypatch.setattr(process, "MODULE", "tests.helpers.rising_worker")
        table = 'sampler = "random"\nn_trials = 14\nprune = "median"\n'
        plan = study_plan(tmp_path, table + BEST)
        store, view = Store(tmp_path / "runs"), Quiet()

        def start(workers: Workers, *, retries: int, log: Path | None) -> Engine:
            return bench.start(workers.count, retries)

        result = execute(plan, store, Workers(("cpu",), 2, 1), view, start, tracking="offline")
        assert result.complete
        status = StudyStatus.load(result.folder)
        pruned = {run.digest for run in status.lines if run.state == "pruned"}
        done = {run.digest for run in status.lines if run.state == "done"}
        assert pruned
        assert pruned | done == {run.digest for run in status.lines}
        assert not any(store.get(digest) for digest in pruned)
        assert all(store.get(digest) for digest in done)
        assert result.manifest.search
        states = [trial.state for trial in result.manifest.search.trials]
        assert states.count("pruned") == len(pruned)
        delivered = Delivered(result.folder / "wandb" / "delivered.jsonl")
        assert all(delivered.has(digest, "pruned", "offline") for digest in pruned)
        assert all(delivered.has(digest, "record", "offline") for digest in done)
        assert len(list(result.folder.glob("wandb/offline-run-*"))) == len(status.lines) + 1
