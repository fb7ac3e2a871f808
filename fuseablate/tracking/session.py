"""W&B runs brought up to the words on them. Only the tracker process imports this: wandb."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import wandb

from fuseablate.runs import RECORD, Record, read_record
from fuseablate.tracking.delivered import Delivered
from fuseablate.tracking.login import Mode

Word = Mapping[str, Any]
METRICS = {
    "lr": "lr",
    "train_loss": "train/loss",
    "train_top1": "train/top1",
    "val_loss": "val/loss",
    "val_top1": "val/top1",
    "images_per_second": "images_per_second",
}
# What versions of wandb later than the oldest supported one know, or know no more, is left out.
SETTINGS: Mapping[str, Any] = {
    "reinit": "create_new",
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "save_code": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 1.0,
}
CONFIRM = (0.0, 1.0, 4.0)  # seconds before each look whether the server has all


class UnreachableError(Exception):
    """W&B could not begin a run online."""


@dataclass
class LiveRun:
    """A W&B run that is being written; `next_epoch` is the first that it lacks."""

    run: wandb.Run
    mode: Literal["online", "offline"]
    next_epoch: int


class Session:
    """The W&B runs of one tracker process, several open at a time.

    An epoch has the W&B step of its number, so that the server knows which it has: a run is
    resumed after the last of them. Offline a run is one file; what a killed tracker has left
    of it is removed, and written whole again.
    """

    def __init__(self, mode: Mode, project: str, folder: Path) -> None:
        self._online = mode == "online"
        self._project = project
        self._folder = folder
        self._delivered = Delivered(folder / "delivered.jsonl")
        self._live: dict[str, LiveRun] = {}
        self._ended: set[tuple[str, str]] = set()
        self._ending: list[threading.Thread] = []
        self._writing = threading.Lock()
        known = wandb.Settings.model_fields
        self._settings = {key: value for key, value in SETTINGS.items() if key in known}

    def take(self, word: Word) -> None:
        """Log what is new in `word`; end the run where it has come to its end."""
        key = word["key"]
        if (key, word["what"]) in self._ended:
            return
        live = self._live.get(key) or self._open(word)
        self._live[key] = live
        if "folder" in word:
            record = read_record(Path(word["folder"]) / RECORD)
            _log(live, vars(record.curves))
            self._end(word, live, record)
        elif "tables" in word:
            tables = {name: wandb.Table(*table) for name, table in word["tables"].items()}
            live.run.log(tables, step=live.next_epoch, commit=True)
            live.next_epoch += 1
            self._end(word, live, None)
        elif "curves" in word:
            _log(live, word["curves"])
            if "ended" in word:
                self._end(word, live, None)

    def close(self) -> None:
        """Wait for the runs that are ending; leave those that have not ended to be resumed."""
        for live in self._live.values():
            thread = threading.Thread(target=live.run.finish, args=(1,), daemon=True)
            thread.start()
            self._ending.append(thread)
        for thread in self._ending:
            thread.join()

    def _open(self, word: Word) -> LiveRun:
        if self._online:
            before = set(self._folder.glob(f"run-*-{word['id']}"))
            try:
                return self._init(word, "online")
            except Exception as error:  # no server, no right, no login: whatever it is
                for empty in set(self._folder.glob(f"run-*-{word['id']}")) - before:
                    shutil.rmtree(empty, ignore_errors=True)
                raise UnreachableError from error
        self._remove_file(word)
        return self._init(word, "offline")

    def _init(self, word: Word, mode: Literal["online", "offline"]) -> LiveRun:
        run = wandb.init(
            project=self._project,
            id=word["id"],
            group=word["group"],
            job_type=word["job_type"],
            name=word["name"],
            config=word["config"],
            resume="allow",
            allow_val_change=True,
            settings=wandb.Settings(mode=mode, **self._settings),
        )
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        live = LiveRun(run, mode, run.step)
        if live.next_epoch == 0:
            # Step 0 is no epoch: it holds the spec, where the word has one.
            if spec := word["config"].get("spec"):
                _log_spec(run, spec)
            live.next_epoch = 1
        return live

    def _end(self, word: Word, live: LiveRun, record: Record | None) -> None:
        del self._live[word["key"]]
        self._ended.add((word["key"], word["what"]))
        thread = threading.Thread(target=self._finish, args=(word, live, record), daemon=True)
        thread.start()
        self._ending.append(thread)

    def _finish(self, word: Word, live: LiveRun, record: Record | None) -> None:
        """Finish a run, which takes as long as the server likes, and note its delivery."""
        try:
            if record is not None:
                live.run.summary.update(_summary(record, word.get("tested", True)))
                if word["what"] == "record+weights" and record.status == "finished":
                    _add_weights(live.run, word)
            elif "ended" in word:
                live.run.summary.update({"status": word["ended"]})
            path = live.run.path
            live.run.finish(exit_code=1 if record and record.status == "failed" else 0)
            if live.mode == "online" and not _confirmed(path, live.next_epoch - 1):
                print(f"{path}: sent, but the server does not confirm it", flush=True)
                return
            with self._writing:
                self._delivered.add(word["key"], word["what"], live.mode)
            if live.mode == "online":
                self._remove_file(word)
        except Exception:
            traceback.print_exc()

    def _remove_file(self, word: Word) -> None:
        """Remove what was written of a run offline, all of which is written or sent anew."""
        for folder in self._folder.glob(f"offline-run-*-{word['id']}"):
            shutil.rmtree(folder, ignore_errors=True)


def _log(live: LiveRun, curves: Mapping[str, Any]) -> None:
    for epoch in range(live.next_epoch, len(curves["lr"]) + 1):
        values = {name: curves[key][epoch - 1] for key, name in METRICS.items()}
        # Without `commit`, wandb keeps a step back until the next one is logged.
        live.run.log({"epoch": epoch, **values}, step=epoch, commit=True)
        live.next_epoch = epoch + 1


def _summary(record: Record, tested: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "status": record.status,
        "params": record.params,
        "macs": record.macs,
        "seconds": record.seconds,
    }
    # A search is judged by validation alone: W&B is not shown its runs' test scores.
    for part, score in (("val", record.val), ("test", record.test if tested else None)):
        if score is not None:
            summary[f"final/{part}_top1"] = score.top1
            summary[f"final/{part}_top5"] = score.top5
    return summary


def _log_spec(run: wandb.Run, spec: Word) -> None:
    try:
        run.log({"spec": _spec_table(spec)}, step=0, commit=True)
    except Exception:  # a table asks the server first; the config has the spec as well
        traceback.print_exc()


def _spec_table(spec: Word) -> wandb.Table:
    columns = list(dict.fromkeys(key for row in spec["rows"] for key in row))
    texts = [[_cell(row.get(column)) for column in columns] for row in spec["rows"]]
    return wandb.Table(columns, texts)


def _cell(value: object) -> str:
    return "" if value is None else str(value)  # a column of a W&B Table has one type


def _add_weights(run: wandb.Run, word: Word) -> None:
    artifact = wandb.Artifact(f"weights-{word['id']}", type="model")
    # The store never changes the file: no copy of it is needed.
    path = Path(word["folder"]) / "weights.pt"
    artifact.add_file(str(path), policy="mutable", skip_cache=True)
    run.log_artifact(artifact)


def _confirmed(path: str, last_step: int) -> bool:
    """Ask the server whether it has the last step: `finish` returns also when it refused."""
    for seconds in CONFIRM:
        time.sleep(seconds)
        try:
            if wandb.Api(timeout=10).run(path).lastHistoryStep >= last_step:
                return True
        except Exception:
            traceback.print_exc()
    return False
