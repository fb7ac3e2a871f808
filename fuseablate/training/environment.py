"""Where a run runs: its device, its threads, and what a record says about both."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import torch

from fuseablate.errors import InputError
from fuseablate.recipes import Recipe

# Which torch leaves partly untyped.
CUDNN: Any = torch.backends.cudnn
MKLDNN: Any = torch.backends.mkldnn
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of <malloc.h>


def devices() -> list[str]:
    """Return the names of the devices that are there, the preferred one first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; `auto` takes CUDA, then MPS, then the CPU.

    A device that is not there is an InputError that names those that are.
    """
    present = devices()
    wanted = present[0] if name == "auto" else "cuda:0" if name == "cuda" else name
    if wanted not in present:
        raise InputError(f"device '{name}': not available (choices: auto, {', '.join(present)})")
    return torch.device(wanted)


def check_precision(recipe: Recipe, device: torch.device) -> None:
    """Raise an InputError where the recipe's precision would only cost on this device.

    On a CPU bf16 autocast is slower than float32, and TF32 is not there at all; to fall back in
    silence would file the run under a precision that it did not have.
    """
    if recipe.precision != "float32" and not has_reduced_precision(device):
        raise InputError(
            f'recipe {recipe.name}: precision = "{recipe.precision}": a gain on CUDA devices of '
            f"compute capability 8.0 or more alone, and this run is on {device}; set "
            'precision = "float32"'
        )


def has_reduced_precision(device: torch.device) -> bool:
    """Return whether a device itself computes in bf16 and TF32."""
    # `is_bf16_supported` counts emulation in, and asks the current device.
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextmanager
def precision_set(precision: str) -> Iterator[None]:
    """Let float32 be float32 on CUDA devices within the block, or TF32 where that is wanted.

    By default cuDNN's convolutions round to TF32, and matrix products do not.
    """
    places = (torch.backends.cuda.matmul, CUDNN.conv)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for place, setting in zip(places, before, strict=True):
            place.fp32_precision = setting


@contextmanager
def onednn_products() -> Iterator[None]:
    """Have oneDNN compute a CPU's float32 matrix products within the block.

    torch asks MKL for them, which leaves the AVX-512 of AMD's processors unused; oneDNN takes half
    the time there. torch gives oneDNN the products only where it may also round them to bf16, which
    no kernel does but those for AMX and for Arm. So this machine's are asked first, and where they
    round, all is left as it is.
    """
    place = MKLDNN.matmul
    before = place.fp32_precision
    place.fp32_precision = "bf16"
    try:
        if not all(_is_exact(*shape) for shape in ((16, 64, 16), (256, 512, 256))):
            place.fp32_precision = before
        yield
    finally:
        place.fp32_precision = before


@contextmanager
def memory_kept() -> Iterator[None]:
    """Have glibc keep within the block what is freed, for the next step, and give it back then.

    By itself it gives large blocks back to the system, which then maps each page of the next one
    anew: a tenth of a step's time where maps are large, and up to two thirds. Nothing is changed
    with another C library, nor where the environment has settings of malloc of its own.
    """
    is_set = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if is_set or platform.libc_ver()[0] != "glibc":
        yield
        return
    glibc = ctypes.CDLL(None)
    glibc.mallopt(M_MMAP_MAX, 0)
    glibc.mallopt(M_TRIM_THRESHOLD, -1)  # never
    try:
        yield
    finally:
        # Where glibc's own thresholds, which rise with what is freed, come to a halt.
        glibc.mallopt(M_MMAP_THRESHOLD, 2**25)
        glibc.mallopt(M_TRIM_THRESHOLD, 2**26)
        glibc.mallopt(M_MMAP_MAX, 2**16)
        glibc.malloc_trim(0)


def _is_exact(rows: int, inner: int, columns: int) -> bool:
    """Return whether a product of numbers that bf16 does not have is the exact one."""
    number = 1 + 2**-12
    product = torch.full((rows, inner), number) @ torch.ones(inner, columns)
    return torch.equal(product, torch.full((rows, columns), inner * number))


@contextmanager
def threads_set(threads: int | None) -> Iterator[int]:
    """Let torch use so many CPU threads within the block (None: as it is); yield the number."""
    if threads is not None and threads < 1:
        raise InputError(f"threads = {threads}: must be at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def describe(device: torch.device) -> dict[str, Any]:
    """Return versions, device, threads, platform and git revision, for the record."""
    cuda = {"cuda": torch.version.cuda, "cudnn": CUDNN.version()}
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        **(cuda if device.type == "cuda" else {}),
        "torchvision": _version("torchvision"),
        "fuseablate": _version("fuseablate"),
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "git_revision": _git_revision(),
    }


def device_name(device: torch.device) -> str:
    """Return the model of a GPU, or of the machine's processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """Return the revision of the repository around the current folder, if there is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
