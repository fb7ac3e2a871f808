"""A study of many runs whose training is a sleep: what driver, engine, store and storage cost.

    python reports/scale/measure.py --runs 20000 --workers 16   # appends a line to results.csv

All but the training is the real thing, on a Ray cluster of this machine. A real run of `--real`
seconds is a sleep of `--real` / `--factor` seconds.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout, suppress
from pathlib import Path

HERE = Path(__file__).parent
FIELDS = ("runs", "workers", "sleep", "seconds", "ready", "overhead", "driver_cpu", "store_mib",
          "report_seconds", "report_cpu", "load", "worker_mib")  # fmt: skip
STUDY = """
title = "Sleep"
question = "What does a run cost beside its training?"
spec = "fusenet"
data = {{ name = "generated", size = 32, train_images = 10 }}
seeds = {seeds}
design = "one-factor"
[recipe]
base = "quick"
epochs = 3
[[factors]]
name = "kernel"
levels = [{{ name = "3", edits = ["fuse.kernel=3"] }}, {{ name = "7", edits = ["fuse.kernel=7"] }}]
[[factors]]
name = "se"
levels = [{{ name = "off", edits = ["all.se=false"] }}]
[[factors]]
name = "nl"
levels = [{{ name = "relu", edits = ["all.nl=relu"] }}]
"""
VARIANTS = 5


def main() -> None:
    """Run the study and note what it cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--real", type=float, default=600)
    parser.add_argument("--factor", type=float, default=6000)
    args = parser.parse_args()
    sleep = args.real / args.factor
    os.environ["SLEEP"] = str(sleep)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(HERE.parents[1])])

    from fuseablate.engines import ENGINES, process
    from fuseablate.engines.cluster.workers import RayWorkers
    from fuseablate.runs import Store, StudyStatus
    from fuseablate.studies import load_study
    from fuseablate.studies.execute import execute
    from fuseablate.studies.plan import make_plan

    process.MODULE = "sleeping_worker"

    class Quiet:
        """A view that notes when the first run has ended, and a worker's memory half-way."""

        first, worker = 0.0, 0.0
        done = 0

        def update(self, status: StudyStatus) -> None:
            pass

        def say(self, text: str) -> None:
            self.done += ": done" in text
            self.first = self.first or time.monotonic() * self.done
            if self.done == args.runs // 2:
                self.worker = self.worker or _worker_mib()

    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        seeds = json.dumps(list(range(args.runs // VARIANTS)))
        (folder / "sleep.toml").write_text(STUDY.format(seeds=seeds))
        store = Store(folder / "runs")
        workers = RayWorkers(("cpu",), args.workers, 1, args.workers, asked_for=args.workers)
        plan = make_plan(load_study(folder / "sleep.toml"), None)
        view = Quiet()
        began, cpu = time.monotonic(), _cpu()
        with redirect_stdout(io.StringIO()):
            result = execute(plan, store, workers, view, ENGINES["ray"].start)
        seconds, cpu = time.monotonic() - began, _cpu() - cpu
        assert result.complete
        size = sum(path.lstat().st_size for path in store.root.rglob("*") if path.is_file())
        asked, report_cpu = time.monotonic(), _cpu(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "fuseablate", "report", "sleep", "--format", "json"]
        subprocess.run([*command, "--runs", str(store.root)], check=True, stdout=subprocess.DEVNULL)
        asked = time.monotonic() - asked
        report_cpu = _cpu(resource.RUSAGE_CHILDREN) - report_cpu
    ready = view.first - began
    steady = began + seconds - view.first
    overhead = steady * args.workers / args.runs - sleep
    row = (args.runs, args.workers, sleep, round(seconds, 1), round(ready, 1),
           round(overhead, 4), round(cpu, 1), round(size / 2**20, 1), round(asked, 1),
           round(report_cpu, 1), round(os.getloadavg()[2]), round(view.worker))  # fmt: skip
    path = HERE / "results.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerows([FIELDS] if new else [])
        rows.writerow(row)
    print(dict(zip(FIELDS, row, strict=True)))


def _cpu(who: int = resource.RUSAGE_SELF) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _worker_mib() -> float:
    """Return the memory of one of our workers on average, what it shares divided among those."""
    sizes = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            name, environment = (process / "cmdline").read_text(), process / "environ"
            if name.startswith("ray::Trainer") and str(HERE) in environment.read_text():
                rollup = (process / "smaps_rollup").read_text()
                (line,) = [line for line in rollup.splitlines() if line.startswith("Pss:")]
                sizes.append(int(line.split()[1]))
    return sum(sizes) / len(sizes) / 1024


if __name__ == "__main__":
    main()
