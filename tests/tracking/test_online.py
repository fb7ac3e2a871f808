"""W&B with a server: one that keeps what it is sent, one that stalls, one that refuses."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fuseablate.tracking import Tracker
from fuseablate.tracking.delivered import Delivered
from tests.helpers.processes import wait_until
from tests.helpers.tracked_runs import (
    CURVES,
    STUDY,
    check_epochs,
    curves,
    inspect,
    put,
    tracked,
)

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


class Server(ThreadingHTTPServer):
    """A server on a free port that answers as `answer` does; `rows` is what it was sent."""

    daemon_threads = True

    def __init__(self, trouble: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.trouble = trouble
        self.rows: dict[str, dict[int, dict[str, Any]]] = {}  # of each run, by offset
        self.begun: set[str] = set()
        self.artifacts: dict[str, str] = {}  # their types
        self.committed: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.stopped = threading.Event()

    def file(self, artifact: str, name: str) -> dict[str, Any]:
        """Return where a file of an artifact is to be put."""
        url = f"http://127.0.0.1:{self.server_port}/artifact/{artifact}/{name}"
        return {"id": "7", "name": name, "displayName": name, "uploadUrl": url,
                "uploadHeaders": [], "uploadMultipartUrls": None, "storagePath": None,
                "artifact": {"id": artifact}}  # fmt: skip

    def receive(self, run: str, body: dict[str, Any]) -> None:
        chunk = body.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        for number, line in enumerate(chunk["content"], chunk["offset"]):
            self.rows.setdefault(run, {})[number] = json.loads(line)

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        run = variables.get("name") or ""
        rows = self.rows.get(run, {})
        project = {"id": "1", "name": "fuseablate", "entity": {"id": "2", "name": "me"}}
        bucket: dict[str, Any] = {"id": f"i{run}", "name": run, "displayName": run, "config": "{}"}
        if operation in ("Viewer", "GetDefaultEntity"):
            return {"viewer": {"id": "2", "entity": "me", "username": "me", "flags": "{}",
                               "teams": {"edges": []}}}  # fmt: skip
        if operation == "UpsertBucket":
            self.begun.add(run)
            return {"upsertBucket": {"bucket": {**bucket, "project": project}, "inserted": True}}
        if operation == "RunResumeStatus":
            tail = json.dumps([json.dumps(rows[max(rows)])] if rows else [])
            status = {"summaryMetrics": "{}", "logLineCount": 0, "eventsLineCount": 0,
                      "historyLineCount": len(rows), "historyTail": tail, "eventsTail": "[]",
                      "tags": [], "notes": "", "wandbConfig": '{"t": 1}'}  # fmt: skip
            return {"model": {**project, "bucket": {**bucket, **status}
                              if run in self.begun else None}}  # fmt: skip
        if operation == "RunHistoryKeys":
            last = max((row["_step"] for row in rows.values()), default=-1)
            return {"project": {"run": {"historyKeys": {"lastStep": last}}}}
        if operation == "CreateArtifact":
            name = f"A{len(self.artifacts)}"
            self.artifacts[name] = variables["input"]["artifactTypeName"]
            artifact = {"id": name, "state": "PENDING",
                        "artifactSequence": {"id": "5", "latestArtifact": None}}  # fmt: skip
            return {"createArtifact": {"artifact": artifact}}
        if operation == "CreateArtifactManifest":
            manifest = {"id": "6", "file": self.file(variables["artifactID"], "manifest.json")}
            return {"createArtifactManifest": {"artifactManifest": manifest}}
        if operation == "CreateArtifactFiles":
            nodes = [{"node": self.file(asked["artifactID"], asked["name"])}
                     for asked in variables["input"]["artifactFiles"]]  # fmt: skip
            return {"createArtifactFiles": {"files": {"edges": nodes}}}
        if operation == "CommitArtifact":
            self.committed.add(variables["artifactID"])
            artifact = {"id": variables["artifactID"], "digest": "d"}
            return {"commitArtifact": {"artifact": artifact}}
        if operation == "CreateRunFiles":
            port = self.server_port
            files = [{"name": name, "uploadUrl": f"http://127.0.0.1:{port}/put/{name}"}
                     for name in variables["files"]]  # fmt: skip
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if operation == "ArtifactType":
            return {"project": {"artifact": None}}
        return {"project": {"internalId": "1", "run": {
            **bucket, "projectId": "1", "state": "finished", "tags": [],
            "user": {"id": "2", "name": "me", "username": "me"},
            "createdAt": "2026-01-01T00:00:00", "heartbeatAt": "2026-01-01T00:00:00",
            "summaryMetrics": "{}", "systemMetrics": "{}", "historyLineCount": len(rows),
            "description": "", "notes": "", "readOnly": False, "storageId": "3",
            "commit": None, "group": None, "jobType": None, "sweepName": None}}}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.trouble == "stalls" or (
            self.server.trouble == "stalls later" and "file_stream" in self.path
        ):
            self.server.stopped.wait(60)
            return None
        if self.server.trouble == "refuses":
            return self.reply(403, {"errors": [{"message": "no"}]})
        if self.server.trouble == "refuses later" and "file_stream" in self.path:
            return self.reply(400, {"error": "no"})
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/graphql":
            query = json.loads(body)
            (operation,) = re.findall(r"(?:query|mutation)\s+(\w+)", query["query"])
            return self.reply(
                200, {"data": self.server.answer(operation, query.get("variables") or {})}
            )
        if self.path.startswith("/artifact/"):
            self.server.files[self.path.removeprefix("/artifact/")] = body
        if self.path.endswith("/file_stream"):
            self.server.receive(self.path.split("/")[-2], json.loads(body))
        return self.reply(200, {})

    do_GET = do_PUT = do_POST  # noqa: N815

    def reply(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, trouble: str = "") -> Iterator[Server]:
    with Server(trouble) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "1")
        yield server
        server.stopped.set()
        server.shutdown()


def cores_of(folder: Path) -> list[str]:
    """Return the processes that write to W&B's folder, by their environment (on Linux)."""
    cores = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"WANDB_DIR={folder}\0".encode() in path.read_bytes():
                cores.append(path.parent.name)
    return cores


def test_a_resumed_run_continues_and_no_epoch_is_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracked("a" * 64)
    name = f"{STUDY[:8]}-{'a' * 16}"
    with serving(monkeypatch) as server:
        tracker = Tracker("online", "study", STUDY, tmp_path)
        tracker.started(run)
        for epoch in (1, 2):
            tracker.epoch(run.key, curves(epoch))
        assert wait_until(lambda: len(server.rows.get(name, ())) == 3)  # the spec, and two epochs
        tracker.close(0)  # kills the tracker process

        second = Tracker("online", "study", STUDY, tmp_path)
        second.started(run)
        second.epoch(run.key, curves(3))
        second.finished(run.key, put(tmp_path, run.key, 4))
        assert second.close(40) == ()
        rows = [server.rows[name][offset] for offset in sorted(server.rows[name])]
        assert [row["_step"] for row in rows] == [0, 1, 2, 3, 4]
        assert [row["val/loss"] for row in rows[1:]] == CURVES["val_loss"][:4]

        sent = {key: dict(value) for key, value in server.rows.items()}
        third = Tracker("online", "study", STUDY, tmp_path)
        third.started(run)
        third.finished(run.key, put(tmp_path, run.key, 4))
        assert third.close(40) == ()
        assert server.rows == sent


def test_the_report_of_a_study_is_an_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch) as server:
        tracker = Tracker("online", "study", STUDY, tmp_path)
        tracker.tables({"comparison": (["variant"], [["baseline"]])}, lambda: "<p>the report</p>")
        assert tracker.close(60) == ()
    assert server.committed == set(server.artifacts)
    (report,) = (name for name, kind in server.artifacts.items() if kind == "report")
    assert server.files[f"{report}/report.html"] == b"<p>the report</p>"


@pytest.mark.parametrize("trouble", ["stalls", "refuses", "stalls later", "refuses later"])
def test_a_bad_server_costs_no_time_and_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    run = tracked("b" * 64)
    times = []
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    with serving(monkeypatch, trouble):
        tracker = Tracker("online", "study", STUDY, tmp_path)

        def timed(call: Callable[..., None], *arguments: Any) -> None:
            started = time.monotonic()
            call(*arguments)
            times.append(time.monotonic() - started)

        timed(tracker.started, run)
        for epoch in (1, 2, 3):
            timed(tracker.epoch, run.key, curves(epoch))
        timed(tracker.finished, run.key, put(tmp_path, run.key, 4))
        files = "run-*" if "later" in trouble else "offline-run-*"
        assert wait_until(lambda: list(tmp_path.glob(f"wandb/{files}/*.wandb")))
        started = time.monotonic()
        lines = tracker.close(6)
        assert time.monotonic() - started < 30  # and not for ever
    assert not cores_of(tmp_path)
    assert sorted(times)[len(times) // 2] < 0.005
    assert max(times) < 1.5  # none waits for the server; the test's own thread may have to
    check_epochs(inspect(tmp_path, run.key), 4)
    assert not Delivered(tmp_path / "wandb" / "delivered.jsonl").has(run.key, "record", "online")
    assert lines[0].startswith("W&B: 1 of 1 runs could not be sent")
