"""The run store: what names a run, what a record holds, who may write."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuseablate.errors import InputError, SkippedWarning
from fuseablate.recipes.load import load_recipe
from fuseablate.runs.record import Curves, Failure, Record, Score, TeacherCost, pack_bits
from fuseablate.runs.store import Store, run_digest
from fuseablate.runs.teacher import teacher_cost
from fuseablate.spec.catalog import load_spec
from tests.helpers.records import DIGEST, plain_record, put


@dataclasses.dataclass(frozen=True)
class Named:
    identity: dict[str, object] = dataclasses.field(default_factory=lambda: {"name": "x", "val": 5})
    image_size: tuple[int, int] = (32, 32)


def test_a_digest_follows_all_that_determines_a_result_and_no_title() -> None:
    spec, recipe = load_spec("fusenet"), load_recipe("quick")
    digest = run_digest(spec, recipe, Named(), 0)
    assert len(digest) == 64
    assert run_digest(spec, recipe.replace(name="x", title="y"), Named(), 0) == digest
    assert run_digest(dataclasses.replace(spec, title="z"), recipe, Named(), 0) == digest
    others = [
        run_digest(spec.edit("all.se=false"), recipe, Named(), 0),
        run_digest(spec, recipe.replace(lr=0.2), Named(), 0),
        run_digest(spec, recipe.replace(precision="bf16"), Named(), 0),
        run_digest(spec, recipe, Named({"name": "x", "val": 6}), 0),
        run_digest(spec, recipe, Named(), 1),
    ]
    assert len({digest, *others}) == 6


@pytest.mark.parametrize(
    "each",
    [
        plain_record(),
        plain_record(
            status="failed",
            val=None,
            test=None,
            curves=Curves(),
            failure=Failure(step=7, epoch=1, lr=0.1, loss="nan", part="training"),
        ),
        plain_record(stopped_epoch=1, val=Score(1, 0.1, 1.0, 1.0)),
    ],
)
def test_a_record_comes_back_as_it_was(each: Record, tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = put(store, each)
    assert path == tmp_path / "0123456789abcdef" / "record.json"
    assert store.get(DIGEST) == each
    assert store.records() == [each]
    assert json.loads(path.read_text())["schema_version"] == 1


def test_a_curve_grows_by_an_epoch() -> None:
    curves = plain_record().curves
    two = curves.extended(lr=0.2, train_loss=1.0, train_top1=0.5, val_loss=1.0, val_top1=0.75,
                       seconds=2.0, images_per_second=150.0)  # fmt: skip
    assert (len(curves), len(two)) == (1, 2)
    assert two.lr == (0.1, 0.2)
    assert plain_record(curves=two).seconds == 5.0


def test_a_teacher_is_named_with_what_it_cost() -> None:
    cost = TeacherCost(
        run=DIGEST, network="fusenet all.se=false", recipe="quick", params=2_000_000, macs=40_000,
        seconds=65,
    )  # fmt: skip
    assert cost.words == (
        "run 0123456789abcdef (fusenet all.se=false, 2.00M params, 40.0k MACs an image, trained "
        "for 1m05s)"
    )
    taught = plain_record(teacher=dataclasses.replace(cost, seconds=60.5))
    # Its own three seconds and those of its teacher.
    assert teacher_cost(taught) == TeacherCost(
        run=DIGEST, network="fusenet all.se=false", recipe="quick", params=10, macs=20,
        seconds=63.5,
    )  # fmt: skip
    assert teacher_cost(plain_record(label="", edits=())).network == "fusenet"


@given(st.lists(st.booleans(), max_size=50))
def test_bits_are_packed_as_numpy_packs_them(bits: list[bool]) -> None:
    text = pack_bits(bits)
    assert (
        np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=len(bits)).tolist()
        == bits
    )


def test_a_store_knows_nothing_of_runs_that_have_not_ended(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert store.get(DIGEST) is None
    assert store.records() == []
    with store.open(DIGEST):
        assert store.get(DIGEST) is None
    assert store.records() == []


def test_records_come_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    store = Store(tmp_path)
    late = plain_record("f" * 64, ended="2025-01-03T00:00:00+00:00")
    early = plain_record("e" * 64, ended="2025-01-02T00:00:00+00:00")
    put(store, late)
    put(store, early)
    assert store.records() == [early, late]


def test_unreadable_records_are_skipped_with_a_warning_each(tmp_path: Path) -> None:
    store = Store(tmp_path)
    good = plain_record()
    put(store, good)
    spoilt = {
        "a": "{",
        "b": "[]",
        "c": good.to_json().replace('"schema_version": 1', '"schema_version": 2'),
        "d": good.to_json().replace('"seed"', '"sead"'),
        "e": good.to_json().replace('"top5"', '"top7"'),
        "f": good.to_json().replace('"schema_version": 1,\n', ""),
    }
    for name, text in spoilt.items():
        path = store.folder(name * 64) / "record.json"
        path.parent.mkdir()
        path.write_text(text)
    with pytest.warns(SkippedWarning) as caught:
        assert store.records() == [good]
    warnings = [str(warning.message) for warning in caught]
    assert len(warnings) == 6
    assert {Path(warning.filename).name for warning in caught} == {"test_runs.py"}  # who called
    assert "schema_version: missing; it must be given" in warnings[-1]
    assert "schema_version = 2: this version of fuseablate reads 1" in " ".join(warnings)
    with pytest.raises(InputError, match=r"aaaaaaaaaaaaaaaa.record\.json: not a record: "):
        store.get("a" * 64)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("spec",), [], "spec = "),
        (("spec", "rows"), "none", "spec.rows: must be rows, each with its id and op"),
        (("spec", "rows", 0, "op"), 3, "spec.rows: must be rows, each with its id and op"),
        (("recipe", "epochs"), None, "recipe.epochs: must be a number of epochs"),
        (("data", "image_size"), 32, "data.image_size = 32: must be a height and a width"),
        (("edits",), 3, "edits = 3: "),
        (("seed",), "first", 'seed = "first": '),
        (("status",), "done", "unknown status 'done'"),
        (("status",), "failed", "status failed: needs failure"),
        (("val",), None, "status finished: needs val and test; untested, val alone"),
        (("curves", "lr"), [], "curves: one value an epoch is missing"),
        (("test", "right"), "AAA=", "test: right: not the bits of"),
        (("test", "top1"), "high", 'test.top1 = "high": '),
        (("test", "per_class"), {}, "test.per_class = {}: "),
        (("environment",), None, "environment = None: "),
    ],
)
def test_a_damaged_record_is_skipped_in_one_line(
    keys: tuple[str | int, ...],
    value: object,
    message: str,
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    path = put(store, plain_record())
    table: Any = json.loads(path.read_text())
    at = table
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    path.write_text(json.dumps(table))
    with pytest.warns(SkippedWarning, match=re.escape(f"{path}: not a record: {message}")):
        assert store.records() == []


def test_a_record_of_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, plain_record())
    with pytest.raises(InputError, match=r"is the record of another run \(0123"):
        store.get("0123456789abcdef" + "0" * 48)


def test_the_copy_of_a_runs_folder_is_not_a_run_of_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = put(store, plain_record())
    copied = tmp_path / "kept"
    copied.mkdir()
    (copied / "record.json").write_text(path.read_text())
    with pytest.warns(SkippedWarning, match=r"record of a run whose folder is 0123456789abcdef"):
        assert store.records() == [plain_record()]


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    message = "0123456789abcdef: another process is training this run"
    with store.open(DIGEST), pytest.raises(InputError, match=message), store.open(DIGEST):
        pass
    with store.open(DIGEST):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from fuseablate.runs import Store\n"
        "with Store(Path(sys.argv[1])).open(sys.argv[2]) as folder:\n"
        "    for name in ('checkpoint.pt', 'weights.pt', 'record.json', 'run.json'):\n"
        "        (folder.path / f'.{name}.half').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), DIGEST], check=False)
    assert done.returncode == -9
    with Store(tmp_path).open(DIGEST) as folder:
        assert [path.name for path in folder.path.iterdir()] == ["lock"]


def test_an_unwritable_root_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=rf"^run folder {tmp_path}/file/{DIGEST[:16]}: cannot be "),
        Store(tmp_path / "file").open(DIGEST),
    ):
        pass


def test_the_default_root_is_runs_or_the_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUSEABLATE_RUNS", raising=False)
    assert Store.default().root == Path("runs")
    monkeypatch.setenv("FUSEABLATE_RUNS", "/elsewhere")
    assert Store.default().root == Path("/elsewhere")


def test_the_store_is_read_without_torch(tmp_path: Path) -> None:
    put(Store(tmp_path), plain_record())
    code = (
        "import sys; from pathlib import Path; from fuseablate.runs.store import Store\n"
        "print(len(Store(Path(sys.argv[1])).records()), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]
