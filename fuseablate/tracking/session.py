"""W&B runs brought up to the updates on them. Only the tracker process imports this: wandb."""

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

Update = Mapping[str, Any]
"""Of a run, or the tables, all that there is to log by now; the keys are those of `Tracker`."""
CURVE_NAMES = {
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
class OpenRun:
    """A W&B run that is being written."""

    run: wandb.Run
    mode: Literal["online", "offline"]
    next_epoch: int
    """The first that it lacks."""


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
        self._open_runs: dict[str, OpenRun] = {}
        self._ended: set[tuple[str, str]] = set()
        self._ending: list[threading.Thread] = []
        self._writing = threading.Lock()
        known = wandb.Settings.model_fields
        self._settings = {key: value for key, value in SETTINGS.items() if key in known}

    def take(self, update: Update) -> None:
        """Log what is new in `update`; end the run where it has come to its end."""
        key = update["key"]
        if (key, update["what"]) in self._ended:
            return
        opened = self._open_runs.get(key) or self._open(update)
        self._open_runs[key] = opened
        if "folder" in update:
            record = read_record(Path(update["folder"]) / RECORD)
            _log(opened, vars(record.curves))
            self._end(update, opened, record)
        elif "tables" in update:
            tables = {name: wandb.Table(*table) for name, table in update["tables"].items()}
            opened.run.log(tables, step=opened.next_epoch, commit=True)
            opened.next_epoch += 1
            self._log_report(opened, update["report"])
            self._end(update, opened, None)
        elif "curves" in update:
            _log(opened, update["curves"])
            if "ended" in update:
                self._end(update, opened, None)

    def close(self) -> None:
        """Wait for the runs that are ending; leave those that have not ended to be resumed."""
        for opened in self._open_runs.values():
            thread = threading.Thread(target=opened.run.finish, args=(1,), daemon=True)
            thread.start()
            self._ending.append(thread)
        for thread in self._ending:
            thread.join()

    def _open(self, update: Update) -> OpenRun:
        if self._online:
            before = set(self._folder.glob(f"run-*-{update['id']}"))
            try:
                return self._init(update, "online")
            except Exception as error:  # no server, no right, no login: whatever it is
                for empty in set(self._folder.glob(f"run-*-{update['id']}")) - before:
                    shutil.rmtree(empty, ignore_errors=True)
                raise UnreachableError from error
        self._remove_file(update)
        return self._init(update, "offline")

    def _log_report(self, opened: OpenRun, report: Mapping[str, str]) -> None:
        """Log the study's page as an artifact, where it could be written."""
        path = self._folder / report["file"]
        if path.exists():
            artifact = wandb.Artifact(report["name"], type="report")
            artifact.add_file(str(path))
            opened.run.log_artifact(artifact)

    def _init(self, update: Update, mode: Literal["online", "offline"]) -> OpenRun:
        run = wandb.init(
            project=self._project,
            id=update["id"],
            group=update["group"],
            job_type=update["job_type"],
            name=update["name"],
            config=update["config"],
            resume="allow",
            allow_val_change=True,
            settings=wandb.Settings(mode=mode, **self._settings),
        )
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        opened = OpenRun(run, mode, run.step)
        if opened.next_epoch == 0:
            # Step 0 is no epoch: it holds the spec, where the update has one.
            if spec := update["config"].get("spec"):
                _log_spec(run, spec)
            opened.next_epoch = 1
        return opened

    def _end(self, update: Update, opened: OpenRun, record: Record | None) -> None:
        del self._open_runs[update["key"]]
        self._ended.add((update["key"], update["what"]))
        thread = threading.Thread(target=self._finish, args=(update, opened, record), daemon=True)
        thread.start()
        self._ending.append(thread)

    def _finish(self, update: Update, opened: OpenRun, record: Record | None) -> None:
        """Finish a run, which takes as long as the server likes, and note its delivery."""
        try:
            if record is not None:
                opened.run.summary.update(_summary(record, update.get("tested", True)))
            elif "ended" in update:
                opened.run.summary.update({"status": update["ended"]})
            path = opened.run.path
            opened.run.finish(exit_code=1 if record and record.status == "failed" else 0)
            if opened.mode == "online" and not _confirmed(path, opened.next_epoch - 1):
                print(f"{path}: sent, but the server does not confirm it", flush=True)
                return
            with self._writing:
                self._delivered.add(update["key"], update["what"], opened.mode)
            if opened.mode == "online":
                self._remove_file(update)
        except Exception:
            traceback.print_exc()

    def _remove_file(self, update: Update) -> None:
        """Remove what was written of a run offline, all of which is written or sent anew."""
        for folder in self._folder.glob(f"offline-run-*-{update['id']}"):
            shutil.rmtree(folder, ignore_errors=True)


def _log(opened: OpenRun, curves: Mapping[str, Any]) -> None:
    for epoch in range(opened.next_epoch, len(curves["lr"]) + 1):
        values = {name: curves[key][epoch - 1] for key, name in CURVE_NAMES.items() if curves[key]}
        # Without `commit`, wandb keeps a step back until the next one is logged.
        opened.run.log({"epoch": epoch, **values}, step=epoch, commit=True)
        opened.next_epoch = epoch + 1


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


def _log_spec(run: wandb.Run, spec: Mapping[str, Any]) -> None:
    try:
        run.log({"spec": _spec_table(spec)}, step=0, commit=True)
    except Exception:  # a table asks the server first; the config has the spec as well
        traceback.print_exc()


def _spec_table(spec: Mapping[str, Any]) -> wandb.Table:
    columns = list(dict.fromkeys(key for row in spec["rows"] for key in row))
    values = [[row.get(column) for column in columns] for row in spec["rows"]]
    # As texts: a column of a W&B Table has one type.
    return wandb.Table(columns, [["" if v is None else str(v) for v in row] for row in values])


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
