"""How long one image takes: networks timed in a process of their own, while no run is trained.

The networks take turns, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from fuseablate.errors import InputError
from fuseablate.plugins import plugin_sources, run_plugins
from fuseablate.spec import Size, Spec

UNTIMED_IMAGES = 10  # images a network, before any is timed
TURNS = 20
IMAGES = 5  # of a network in each turn


def measured(specs: Sequence[Spec], size: Size, device: str) -> list[float]:
    """Return the median milliseconds of one image (batch 1, eval mode, float32) in each network.

    On a CPU by one thread. Raise `InputError` where the measuring process fails.
    """
    asked = {"specs": [spec.to_dict() for spec in specs], "size": list(size), "device": device}
    asked["plugins"] = plugin_sources()
    done = subprocess.run(
        [sys.executable, "-m", "fuseablate.engines.latency"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise InputError(f"latency on {device}: could not be measured: {why[-1]}")
    return [float(value) for value in json.loads(done.stdout)]


def main() -> None:
    """Measure what stdin asks for and print it as JSON."""
    import torch

    from fuseablate.network import build
    from fuseablate.training.environment import precision_set

    asked, target = json.load(sys.stdin), sys.stdout
    sys.stdout = sys.stderr  # what a plug-in prints
    device, size = torch.device(asked["device"]), (asked["size"][0], asked["size"][1])
    torch.set_num_threads(1)
    run_plugins(asked["plugins"])
    networks = [build(Spec.from_dict(spec), size=size).eval().to(device) for spec in asked["specs"]]
    image = torch.zeros(1, 3, *size, device=device)

    def seconds(network: torch.nn.Module) -> float:
        began = time.perf_counter()
        network(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter() - began

    times: list[list[float]] = [[] for _ in networks]
    with torch.inference_mode(), precision_set("float32"):
        for network in networks:
            for _ in range(UNTIMED_IMAGES):
                seconds(network)
        for _ in range(TURNS):
            for network, mine in zip(networks, times, strict=True):
                mine += [seconds(network) for _ in range(IMAGES)]
    json.dump([1000 * statistics.median(mine) for mine in times], target)


if __name__ == "__main__":
    main()
