"""What every test may ask for."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest

from fuseablate.commands.program import SPIN_COUNT
from tests.helpers.golden import Golden, check_golden
from tests.helpers.paths import REPOSITORY
from tests.helpers.programs import Needs, needed_program

# One thread a process: the networks of the tests are too small for more, and several processes of
# many threads each slow one another down. Set before torch is imported; processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As the command line does it: those with two threads wait for busy cores all day otherwise.
os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
# Hundreds of processes import the package; each would compile it anew where this is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The workers of pytest-xdist are told the width of its terminal, which is not what is tested.
os.environ.pop("COLUMNS", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden anew"
    )
    parser.addoption(
        "--require-programs",
        action="store_true",
        help="fail, and do not skip, where a program that a test starts is not installed",
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests; what they import is looked through for garbage neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # what is left at a process's end is a leak to some libraries, which say so


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return partial(check_golden, update=request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def needs(request: pytest.FixtureRequest) -> Needs:
    return partial(needed_program, required=request.config.getoption("--require-programs"))


@pytest.fixture(scope="session")
def cifar100_root() -> Path:
    """Return the folder that holds `cifar-100-python`; where none was named it may be absent."""
    named = os.environ.get("FUSEABLATE_DATA")
    root = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not (root / "cifar-100-python" / "train").is_file():
        (pytest.fail if named else pytest.skip)(
            f"no CIFAR-100 in {root}; name its folder in FUSEABLATE_DATA"
        )
    return root
