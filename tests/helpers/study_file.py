"""Study files for tests: a small table, and whatever the test puts below it."""

from __future__ import annotations

from pathlib import Path

from fuseablate.studies.design import Design, expand
from fuseablate.studies.study import Study, load_study

# At 16 x 16: maps of 8 x 8 after row 1, then 4 x 4. Only row 3 can take a residual.
SPEC = """
input = [16, 16]
classes = 4

[[rows]]
id = "1"
op = "conv"
kernel = 3
norm = "batch"
out = 8
se = false
nl = "relu"
stride = 2

[[rows]]
id = "2"
op = "fuse"
kernel = 3
exp = 16
out = 16
se = true
nl = "relu"
stride = 2

[[rows]]
id = "3"
op = "fuse"
kernel = 5
exp = 16
out = 16
se = false
nl = "relu"

[[rows]]
id = "4"
op = "pool"

[[rows]]
id = "5"
op = "conv"
kernel = 1
out = "classes"
form = "conv"
"""
HEAD = """
title = "Small"
question = "Does it work?"
spec = "small.toml"
data = { name = "generated", classes = 4, size = 16 }
seeds = [0, 1]
"""


def written(folder: Path, body: str, name: str = "mine", head: str = HEAD) -> Path:
    (folder / "small.toml").write_text(SPEC)
    path = folder / f"{name}.toml"
    path.write_text(head + body)
    return path


def loaded(folder: Path, body: str, head: str = HEAD) -> Study:
    return load_study(written(folder, body, head=head))


def expanded(folder: Path, body: str) -> Design:
    return expand(loaded(folder, body), (16, 16), 4)


def factor(name: str, *levels: str) -> str:
    """Return a factor; a level is `name: edits`, the edits parted by spaces."""
    lines = []
    for level in levels:
        label, _, edits = level.partition(": ")
        texts = ", ".join(f'"{edit}"' for edit in edits.split())
        lines.append(f'{{ name = "{label}", edits = [{texts}] }}')
    return f'\n[[factors]]\nname = "{name}"\nlevels = [{", ".join(lines)}]\n'
