"""A study's own Ray cluster: who can reach it, what it is told, what is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from fuseablate.runs import StudyStatus
from tests.helpers.postgres import PASSWORD, server
from tests.helpers.processes import (
    alive,
    children_of,
    command_of,
    listening,
    reads_proc,
    wait_until,
)
from tests.helpers.programs import Needs
from tests.helpers.study_process import write_study

pytest.importorskip("ray")
pytestmark = [reads_proc, pytest.mark.slow, pytest.mark.timeout(600)]

WANDB_KEY = "5ec2e7" * 6 + "abcd"
SECRETS = [text.encode() for text in (WANDB_KEY, PASSWORD, quote(PASSWORD, safe=""))]


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    return [pid, *(member for child in children_of(pid) for member in family(child))]


def holding_secrets(folder: Path) -> list[Path]:
    """Return the files below a folder in which one of the secrets stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(secret in path.read_bytes() for secret in SECRETS)]


def epochs(runs: Path) -> int:
    folders = list((runs / "studies").glob("*/status.json"))
    return sum(run.epoch for path in folders for run in StudyStatus.load(path.parent).lines)


def test_a_study_s_own_cluster_keeps_to_itself(needs: Needs, tmp_path: Path) -> None:
    needs("initdb")
    study, runs, log = write_study(tmp_path, epochs=400), tmp_path / "runs", tmp_path / "log"
    with server() as database, log.open("wb") as output:
        driver = subprocess.Popen(
            [sys.executable, "-m", "fuseablate", "study", "run", str(study), "--engine", "ray",
             "--workers", "1", "--runs", str(runs), "--storage", database.url, "--wandb", "off"],
            env={**os.environ, "WANDB_API_KEY": WANDB_KEY}, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            assert wait_until(lambda: epochs(runs) or driver.poll() is not None)
            assert driver.poll() is None, log.read_text()
            members = family(driver.pid)
            names = {" ".join(command_of(pid))[:40] for pid in members}
            assert any(name.startswith("ray::Trainer") for name in names)
            addresses = [address for pid in members for address in listening(pid)]
            assert len(addresses) >= 5  # head, node, worker and driver have some
            assert all(address.is_loopback for address in addresses)
            (line,) = [line for line in log.read_text().splitlines() if line.startswith("Ray:")]
            assert line.endswith("its ports on the loopback interface alone")
            # What Ray logs of the job, and what its processes are called.
            commands = "\0".join("\0".join(command_of(pid)) for pid in members[1:])
            assert not any(secret.decode() in commands for secret in SECRETS)
            (temporary,) = set(re.findall(r"/tmp/ray-[^/\0 ]+", commands))
            assert not holding_secrets(Path(temporary))
            os.killpg(driver.pid, signal.SIGINT)  # as Ctrl-C does
            assert driver.wait(120) == 130
        finally:
            if driver.poll() is None:
                os.killpg(driver.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(alive, members)))
    assert "the same command goes on from here" in log.read_text()
    assert not Path(temporary).exists()
    assert list(runs.glob("*/checkpoint.pt"))
    assert not holding_secrets(tmp_path)
