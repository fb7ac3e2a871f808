"""The training of a run: what it computes, how it ends, what it refuses."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fuseablate.cost.costs import measure
from fuseablate.data.batches import TrainBatches, eval_batches
from fuseablate.data.parts import Data, Part
from fuseablate.errors import InputError
from fuseablate.network.builder import build
from fuseablate.network.modules import Dropout
from fuseablate.recipes.recipe import EarlyStop
from fuseablate.runs.record import Curves, Record, TestScore
from fuseablate.runs.store import Store
from fuseablate.spec.spec import Spec
from fuseablate.streams import stream
from fuseablate.training import SilentProgress, train
from fuseablate.training.environment import threads_set
from tests.helpers.small_run import small_data, small_recipe, small_spec

STEPS = 216 // 24


@pytest.fixture(scope="module")
def data() -> Data:
    return small_data()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threads_set(1):
        yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def run(
    store: Store, data: Data, seed: int = 0, spec: Spec | None = None, **changes: object
) -> Record:
    return train(
        spec or small_spec(),
        small_recipe(**changes),
        data,
        seed,
        store=store,
        device="cpu",
        threads=1,
        progress=SilentProgress(),
    )


def test_a_run_is_the_plain_loop_written_out(store: Store, data: Data) -> None:
    """NCHW, no fused kernels, torch's own scheduler; the same weights, batches and masks."""
    record = run(
        store, data, seed=3, label_smoothing=0.1, clip_norm=0.5, schedule={"kind": "cosine"}
    )

    network = build(small_spec(), seed=3, size=(16, 16))
    for module in network.modules():
        if isinstance(module, Dropout):
            module.generator = stream(3, "dropout")
    batches = TrainBatches(
        data.train, data, 24, "cpu", order=[stream(3, "order")], augment=[stream(3, "augment")]
    )
    optimizer = torch.optim.SGD(
        network.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4, fused=False, foreach=False
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4 * STEPS)
    for epoch in range(4):
        network.train()
        losses, hits, rate = [], 0, optimizer.param_groups[0]["lr"]
        for images, labels in batches:
            logits = network(images.contiguous())
            loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            hits += int((logits.argmax(1) == labels).sum())
        network.eval()
        with torch.no_grad():
            val = [
                F.cross_entropy(network(images), labels).item()
                for images, labels in eval_batches(data.val, data, 1, "cpu")
            ]
        assert record.curves.lr[epoch] == pytest.approx(rate)
        assert record.curves.train_loss[epoch] == pytest.approx(sum(losses) / STEPS, rel=1e-3)
        assert record.curves.train_top1[epoch] == pytest.approx(hits / 216, abs=1.5 / 216)
        assert record.curves.val_loss[epoch] == pytest.approx(sum(val) / len(val), rel=1e-3)


def test_the_record_tells_the_run(store: Store, data: Data) -> None:
    record = run(store, data)
    assert record.status == "finished"
    assert (record.spec_name, record.label, record.edits) == ("small", "", ())
    assert (record.recipe_name, record.recipe["lr"], record.seed) == ("small", 0.1, 0)
    assert record.data == data.identity
    assert record.class_names == data.class_names
    assert (record.params, record.macs) == (
        measure(small_spec(), (16, 16)).params,
        measure(small_spec(), (16, 16)).macs,
    )
    assert len(record.curves) == 4
    assert record.curves.lr == pytest.approx((0, 0.1, 0.075, 0.025))
    assert record.test is not None
    assert record.test.images == 40
    assert right_images(record.test).sum() / 40 == record.test.top1
    assert len(record.test.per_class) == 4
    assert record.environment["threads"] == 1
    assert record.environment["device"] == "cpu"
    assert record.environment["torch"] == torch.__version__
    assert record.stopped_epoch is None
    assert store.get(record.digest) == record


def right_images(score: TestScore) -> np.ndarray:
    """Return for each of the test images whether it was classified rightly."""
    packed = np.frombuffer(base64.b64decode(score.right), np.uint8)
    return np.unpackbits(packed, count=score.images).astype(bool)


def test_it_learns(store: Store) -> None:
    record = run(store, small_data(200), epochs=8)
    assert record.curves.train_loss[-1] < 0.8 * record.curves.train_loss[0]
    assert record.test is not None
    assert record.test.top1 > 0.5  # of 4 classes


def test_the_weights_kept_are_those_that_were_tested(store: Store, data: Data) -> None:
    for ema in (None, 0.9):
        record = run(store, data, ema=ema)
        network = build(small_spec(), seed=99, size=(16, 16))
        path = store.folder(record.digest) / "weights.pt"
        network.load_state_dict(torch.load(path, weights_only=True))
        network.eval()
        with torch.no_grad():
            (batch,) = list(eval_batches(data.test(), data, 40, "cpu"))
            right = network(batch[0]).argmax(1) == batch[1]
        assert record.test is not None
        assert right_images(record.test).tolist() == right.tolist()


def test_the_same_run_is_not_trained_again(store: Store, data: Data) -> None:
    first = run(store, data)

    class Untouchable(SilentProgress):
        def begin(self, title: str, epochs: int, done: int, images: int) -> None:
            raise AssertionError("trained again")

    again = train(small_spec(), small_recipe(), data, 0, store=store, device="cpu", threads=1,
                  progress=Untouchable())  # fmt: skip
    assert again == first
    assert len(store.records()) == 1
    run(store, data, seed=1)
    assert len(store.records()) == 2


def test_a_seed_gives_the_same_numbers_again(tmp_path: Path, data: Data) -> None:
    first, same = (run(Store(tmp_path / name), data) for name in ("one", "same"))
    assert first.curves.train_loss == same.curves.train_loss
    assert first.test == same.test
    other = run(Store(tmp_path / "other"), data, seed=1)
    assert first.curves.train_loss != other.curves.train_loss


def test_the_test_set_is_read_once_and_last(store: Store, data: Data) -> None:
    told: list[str] = []

    def read() -> Part:
        told.append("test")
        return data.test()

    class Ears(SilentProgress):
        def epoch(self, curves: Curves) -> None:
            told.append("epoch")

    watched = dataclasses.replace(data, read_test=read)
    train(small_spec(), small_recipe(), watched, 0, store=store, device="cpu", threads=1,
          progress=Ears())  # fmt: skip
    assert told == ["epoch"] * 4 + ["test"]


def test_a_loss_that_is_not_finite_ends_the_run_as_failed(store: Store, data: Data) -> None:
    record = run(store, data, lr=1e30, schedule={"kind": "cosine"})
    assert record.status == "failed"
    assert record.failure is not None
    # The first step's loss is that of the initial weights; its update spoils the second's.
    assert (record.failure.step, record.failure.epoch) == (2, 1)
    assert record.failure.part == "training"
    assert record.failure.loss in ("nan", "inf")
    cosine = 1e30 * (1 + torch.cos(torch.tensor(torch.pi / 36)).item()) / 2
    assert record.failure.lr == pytest.approx(cosine, rel=1e-6)
    assert record.test is None
    assert len(record.curves) == 0
    assert store.get(record.digest) == record
    assert run(store, data, lr=1e30, schedule={"kind": "cosine"}) == record


def test_the_step_of_a_nan_is_exact_where_the_loss_is_seldom_looked_at(
    store: Store, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fuseablate.training.epoch.LOOK_EVERY", {"cpu": 7})
    record = run(store, data, lr=1e30, schedule={"kind": "cosine"})
    assert record.failure is not None
    assert record.failure.step == 2


def test_early_stop_ends_a_run_as_finished(store: Store, data: Data) -> None:
    # A rate this small moves no loss by as much as the noise of the batches does.
    stop = EarlyStop(monitor="training", patience=2)
    record = run(store, data, epochs=30, lr=1e-12, schedule={"kind": "cosine"}, early_stop=stop)
    assert record.status == "finished"
    assert record.stopped_epoch == len(record.curves) < 30
    lowest = min(range(len(record.curves)), key=record.curves.train_loss.__getitem__)
    assert len(record.curves) == lowest + 1 + 2
    assert record.test is not None


def test_every_optimizer_and_schedule_trains(store: Store, data: Data) -> None:
    for optimizer in ("adam", "adamw", "adamax", "rmsprop"):
        record = run(
            store, data, epochs=1, optimizer=optimizer, lr=0.001, momentum=None, nesterov=None
        )
        assert record.status == "finished"
    cycle = {"kind": "onecycle"}
    assert run(store, data, epochs=2, schedule=cycle).curves.lr[0] == pytest.approx(0.1 / 25)


class Interrupted(SilentProgress):
    def __init__(self, epoch: int = 2) -> None:
        self.said: list[str] = []
        self.last = epoch

    def epoch(self, curves: Curves) -> None:
        if len(curves) == self.last:
            raise KeyboardInterrupt

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.mark.parametrize("epoch", [2, 4])
def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(
    store: Store, data: Data, epoch: int
) -> None:
    """Also when it comes behind the last one, and nothing is left but the test."""
    progress = Interrupted(epoch)
    with pytest.raises(KeyboardInterrupt):
        train(small_spec(), small_recipe(), data, 0, store=store, device="cpu", threads=1,
              progress=progress)  # fmt: skip
    assert progress.said == [
        f"interrupted after epoch {epoch} of 4; to go on from there, run the same command again"
    ]
    begun: list[int] = []

    class Ears(SilentProgress):
        def begin(self, title: str, epochs: int, done: int, images: int) -> None:
            begun.append(done)

    train(small_spec(), small_recipe(), data, 0, store=store, device="cpu", threads=1,
          progress=Ears())  # fmt: skip
    assert begun == [epoch]


@pytest.mark.parametrize(("began", "asked"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_the_threads_that_it_began_with(
    tmp_path: Path, data: Data, began: int, asked: int
) -> None:
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    small = (small_spec(), small_recipe(), data, 0)
    expected = train(*small, store=whole, device="cpu", threads=began, progress=SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        train(*small, store=broken, device="cpu", threads=began, progress=Interrupted())
    progress = Interrupted()
    record = train(*small, store=broken, device="cpu", threads=asked, progress=progress)
    assert progress.said == [
        f"going on with {began} CPU threads, as the run began (asked for: {asked})"
    ]
    assert (record.notes, record.environment["threads"]) == ((), began)
    assert record.val == expected.val
    weights = [torch.load(runs.folder(expected.digest) / "weights.pt") for runs in (whole, broken)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        (
            {"batch_size": 217},
            {},
            "recipe small: batch_size = 217: must be at most the 216 training images of "
            "generated shapes",
        ),
        ({"precision": "bf16"}, {}, 'recipe small: precision = "bf16": a gain on CUDA devices'),
        ({}, {"device": "cuda:7"}, "device 'cuda:7': not available (choices: auto, "),
        ({}, {"device": "tpu"}, "device 'tpu': not available (choices: auto, "),
        ({}, {"threads": 0}, "threads = 0: must be at least 1"),
        ({}, {"seed": -1}, "seed -1: must not be negative"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    store: Store,
    data: Data,
    changes: dict[str, object],
    options: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(InputError) as caught:
        train(small_spec(), small_recipe(**changes), data, store=store, progress=SilentProgress(),
              **{"seed": 0, "device": "cpu", **options})  # type: ignore[arg-type]  # fmt: skip
    assert str(caught.value).startswith(message)
    assert not store.root.exists()


def test_a_spec_for_other_classes_is_refused(store: Store, data: Data) -> None:
    with pytest.raises(InputError, match=r"has 5 classes, and generated .* has 4; edit it"):
        run(store, data, spec=small_spec().with_classes(5))


def test_an_unwritable_run_folder_is_refused(tmp_path: Path, data: Data) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"run folder .*file.*: cannot be written: Not a directory"
    ):
        run(Store(tmp_path / "file"), data)
