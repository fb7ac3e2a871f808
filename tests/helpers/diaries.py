"""What the diaries of `counting_worker` tell of a run's life."""

from __future__ import annotations

from pathlib import Path

IMAGES = 216  # trained on in an epoch: 54 of 60 images of each of 4 classes, 9 batches of 24


def read_diary(path: Path) -> list[tuple[str, int, int]]:
    words = (line.split() for line in path.read_text().splitlines())
    return [(word, int(pid), int(number)) for word, pid, number in words]


def check_life(path: Path, epochs: int) -> int:
    """Check that a run was trained by one process at a time, each where the last one left off.

    Return the number of images that it was trained on twice.
    """
    pids: list[int] = []
    known = trained = 0
    for word, pid, number in read_diary(path):
        if word == "begin":
            # One epoch later: its checkpoint was written when the kill came, and not yet noted.
            assert number in (known, known + 1), "not from its last checkpoint"
            pids.append(pid)
        assert pid == pids[-1], "trained by two processes at once"
        if word == "images":
            trained += number
        else:
            known = number
    assert known == epochs
    return trained - epochs * IMAGES
