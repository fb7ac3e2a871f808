"""A census by several processes: that of one, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fuseablate import load_plugin, register
from fuseablate.ops import OPS
from fuseablate.plugins import files
from fuseablate.plugins.registry import remove
from fuseablate.space import census as module
from fuseablate.space import counting
from fuseablate.space.census import Census, take_census
from fuseablate.space.space import Space
from fuseablate.studies.study import load_study
from tests.helpers.processes import children_of, reads_proc, wait_until
from tests.helpers.study_file import written

pytestmark = reads_proc
HEAD = 'design = "search"\n[search]\nn_trials = 5\nfinalists = { best = 1, seeds = [9] }\n'


def parameter(name: str, choices: str, edit: str = "") -> str:
    edit = f'edit = "{edit}"\n' if edit else ""
    return f'[[search.parameters]]\nname = "{name}"\nkind = "categorical"\n{choices}\n{edit}'


# exp 8 or 16; SE off, or with a reduction of 4 or 32: 32 squeezes the 16 channels of exp 8 to none,
# so that 5 of 6 are networks. 9 pairs of kernels. Of the last three, the first two are one table.
PARAMETERS = (
    parameter("se", "choices = [true, false]", "2.se={}")
    + parameter("exp", "choices = [8, 16]", "2.exp={}")
    + parameter("reduction", "choices = [4, 32]\nwhen = { se = true }", "2.se_reduction={}")
    + parameter("kernel", 'each = "fuse"\nchoices = [3, 5, 7]', "{row}.kernel={}")
    + parameter("more", 'choices = { a = [], b = ["3.nl=relu"], c = ["3.se=true"] }')
)
SEEN, NETWORKS, DISTINCT = 6 * 9 * 3, 5 * 9 * 3, 5 * 9 * 2
PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar
from fuseablate import register
from fuseablate.ops import OPS

print("read by every process")

@dataclass(frozen=True, kw_only=True)
class Twin(OPS["fuse"]):
    op: ClassVar[str] = "twin"

register("ops", "twin", Twin)
"""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few assignments are worth a process, whose hashes of texts are not those of this one."""
    monkeypatch.setattr(module, "WORTH_A_PROCESS", 10)
    monkeypatch.setattr(counting, "COUNTED_AT_ONCE", 5)
    monkeypatch.setattr(module, "TELL_EVERY", 20)
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    before = set(children_of(os.getpid()))  # a server that tests fork their processes from
    yield
    assert set(children_of(os.getpid())) <= before


class Taken:
    """Takes censuses, and counts the processes that were beside this one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
        study = load_study(written(folder, HEAD + PARAMETERS + more))
        assert study.search
        self.space = Space.of(study.spec, study.search.parameters)
        self._monkeypatch = monkeypatch
        self.others: list[int] = []

    def by(
        self, processes: int, samples: int = 1000, told: Callable[[Census], None] = lambda _: None
    ) -> Census:
        self._monkeypatch.setattr(module, "usable_cores", lambda: processes)
        self.others = []
        others = self.others

        class Noted(subprocess.Popen[bytes]):
            def __init__(self, *args: Any, **named: Any) -> None:
                super().__init__(*args, **named)
                others.append(self.pid)

        self._monkeypatch.setattr(subprocess, "Popen", Noted)
        limits = {"macs": 47_168.0}
        return take_census(self.space, (16, 16), limits, samples=samples, seed=0, few=3, tell=told)


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taken:
    return Taken(tmp_path, monkeypatch)


def test_one_two_and_three_processes_take_the_same_census(taken: Taken) -> None:
    alone = taken.by(1)
    assert taken.others == []
    assert (alone.seen, alone.networks, len(alone.costs)) == (SEEN, NETWORKS, DISTINCT)
    assert 3 < alone.within < DISTINCT
    for processes in (2, 3):
        assert taken.by(processes) == alone
        assert len(taken.others) == processes - 1
    drawn = taken.by(1, samples=100)
    assert taken.by(2, samples=100) == drawn
    assert (len(taken.others), drawn.seen, drawn.sampled) == (1, 100, True)


def test_a_small_census_starts_no_process(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_A_PROCESS", SEEN)
    taken.by(2)
    assert taken.others == []


def test_what_a_killed_process_was_to_count_is_counted(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = taken.by(1)
    monkeypatch.setattr(module, "TELL_EVERY", 1)

    def kill(census: Census) -> None:
        if census.seen == 1:  # when they have hardly started
            for pid in taken.others:
                os.kill(pid, signal.SIGKILL)

    assert taken.by(3, told=kill) == alone
    assert len(taken.others) == 2


def test_ctrl_c_keeps_what_there_is(taken: Taken) -> None:
    def stop(census: Census) -> None:
        if census.seen == 40 and not census.interruption:
            raise KeyboardInterrupt

    stopped = taken.by(3, told=stop)
    assert stopped.interruption
    assert (stopped.seen, len(taken.others)) == (40, 2)
    assert stopped.costs == taken.by(1, told=stop).costs


@pytest.mark.parametrize("known", ["file", "here", "nowhere"])
def test_an_op_of_ones_own(known: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a file is known to all; of one that no other process can import, none counts."""
    monkeypatch.setattr(files, "_LOADED", {})  # of this process, whose other tests go on without
    if known == "file":
        path = tmp_path / "twin.py"
        path.write_text(PLUGIN)
        load_plugin(path)
    else:
        twin = type("Twin", (OPS["fuse"],), {"op": "twin", "__module__": "of_this_process"})
        if known == "here":  # as what a notebook defines
            here = ModuleType("of_this_process")
            monkeypatch.setattr(here, "Twin", twin, raising=False)
            monkeypatch.setitem(sys.modules, "of_this_process", here)
        register("ops", "twin", twin)
    try:
        op = parameter("op", 'choices = ["fuse", "twin"]', "2.op={}")
        taken = Taken(tmp_path, monkeypatch, op)
        alone = taken.by(1)
        assert (alone.seen, len(alone.costs)) == (2 * SEEN, 2 * DISTINCT)
        assert taken.by(2) == alone
        assert known == "here" or len(taken.others) == (known == "file")
    finally:
        remove("ops", "twin")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_process_is_left(number: signal.Signals, code: int) -> None:
    program = (
        # Which a job in the background may have been told to ignore.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fuseablate.space import census; census.usable_cores = lambda: 2\n"
        "from fuseablate.commands import main\n"
        "raise SystemExit(main(['explore', 'fusenet', '--space', 'search']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert wait_until(lambda: children_of(process.pid))
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        _, error = process.communicate()
    assert (process.returncode, error) == (code, "")

    def gone() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    assert wait_until(gone)
