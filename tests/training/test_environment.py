"""Devices, precision, threads, and what a record says of them."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from fuseablate.errors import InputError
from fuseablate.recipes.load import load_recipe
from fuseablate.training.environment import (
    MKLDNN,
    check_precision,
    choose_device,
    describe,
    devices,
    memory_kept,
    onednn_products,
    precision_set,
    threads_set,
)
from tests.helpers.programs import Needs


def as_if(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    # The first GPU is of the generation before bf16 and TF32, the others of the first with both.
    monkeypatch.setattr(
        torch.cuda, "get_device_capability", lambda device: (7, 5) if device.index == 0 else (8, 0)
    )
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted", "chosen"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (2, True, "auto", "cuda:0"),
        (2, False, "cuda", "cuda:0"),
        (2, False, "cuda:1", "cuda:1"),
        (2, True, "mps", "mps"),
        (2, True, "cpu", "cpu"),
    ],
)
def test_the_device_is_chosen_or_named(
    cuda: int, mps: bool, wanted: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if(monkeypatch, cuda, mps)
    assert choose_device(wanted) == torch.device(chosen)


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps", "gpu", ""])
def test_a_device_that_is_not_there_names_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if(monkeypatch, 0, False)
    with pytest.raises(InputError) as caught:
        choose_device(name)
    assert str(caught.value) == f"device '{name}': not available (choices: auto, cpu)"
    as_if(monkeypatch, 1, False)
    assert devices() == ["cuda:0", "cpu"]


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_a_precision_is_refused_where_it_does_not_gain(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("standard").replace(precision=precision)
    as_if(monkeypatch, 2, True)
    check_precision(recipe, torch.device("cuda:1"))
    for name in ("cpu", "mps", "cuda:0"):
        with pytest.raises(InputError, match=f'this run is on {name}; set precision = "float32"'):
            check_precision(recipe, torch.device(name))
        check_precision(load_recipe("standard"), torch.device(name))


def test_float32_is_float32_unless_the_recipe_says_otherwise() -> None:
    cudnn: Any = torch.backends.cudnn
    places = (torch.backends.cuda.matmul, cudnn.conv)
    before = [place.fp32_precision for place in places]
    with precision_set("float32"):
        assert [place.fp32_precision for place in places] == ["ieee", "ieee"]
        with precision_set("tf32"):
            assert [place.fp32_precision for place in places] == ["tf32", "tf32"]
        with precision_set("bf16"):  # autocast chooses; what it leaves is float32
            assert [place.fp32_precision for place in places] == ["ieee", "ieee"]
        assert [place.fp32_precision for place in places] == ["ieee", "ieee"]
    assert [place.fp32_precision for place in places] == before


def test_products_within_the_block_are_float32s_to_its_rounding() -> None:
    place = MKLDNN.matmul
    before = place.fp32_precision
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(300, 300, generator=generator) for _ in range(2))
    with onednn_products():
        error = ((x @ y).double() - x.double() @ y.double()).abs().max()
    # 300 sums of numbers of about 1: float32 is off by some 1e-5 at most, bf16 by 0.3.
    assert error < 1e-4
    assert place.fp32_precision == before


@pytest.mark.parametrize("rounds", [True, False])
def test_a_cpu_that_would_round_its_products_is_left_as_it_is(
    rounds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = MKLDNN.matmul
    before = place.fp32_precision
    assert before != "bf16"
    asked = []

    def rounded(product: torch.Tensor, exact: torch.Tensor) -> bool:
        asked.append(place.fp32_precision)
        # Kernels for AMX may leave a small product to others.
        return not rounds or len(product) < 100

    monkeypatch.setattr(torch, "equal", rounded)
    with onednn_products():
        assert place.fp32_precision == (before if rounds else "bf16")
    assert place.fp32_precision == before
    assert asked == ["bf16", "bf16"]


def pages_mapped() -> int:
    """Return how many pages the system maps in for a block of 40 MB, which is freed again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("MALLOC_", "GLIBC_TUNABLES")):
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_settings")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_is_kept_within_the_block() -> None:
    pages = 40_000_000 // resource.getpagesize()
    with memory_kept():
        for _ in range(30):  # until a piece is free that holds the block and what lies around it
            pages_mapped()
        assert sum(pages_mapped() for _ in range(10)) < pages / 10
    assert pages_mapped() > pages / 2


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("setting", ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "another library"])
def test_malloc_is_left_to_its_users_settings(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("malloc was set"))
    if setting == "another library":
        monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    else:
        monkeypatch.setenv(setting, "1")
    with memory_kept():
        pass


def test_threads_are_set_for_a_while() -> None:
    before = torch.get_num_threads()
    with threads_set(before + 1) as threads:
        assert threads == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with threads_set(None) as threads:
        assert threads == before


def test_the_description(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    described = describe(torch.device("cpu"))
    assert described["git_revision"] is None
    assert described["python"] == platform.python_version()
    assert described["device"] == "cpu"
    assert described["threads"] == torch.get_num_threads()


def test_the_description_has_the_revision_of_the_repository_around(
    needs: Needs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = [needs("git"), "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    revision = (tmp_path / ".git" / "refs" / "heads" / "main").read_text().strip()
    assert describe(torch.device("cpu"))["git_revision"] == revision
