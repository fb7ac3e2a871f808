"""Kinds of file that commands with torch read: weights, checkpoints, images, a study's own."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image

from fuseablate.layers import Seq
from tests.helpers.fuzz import trained
from tests.helpers.fuzz.kinds import kind, of_json
from tests.helpers.fuzz.spoiling import IN_ITS_PLACE, ODD, places, spoil

TENSORS: tuple[Any, ...] = (
    torch.zeros(1).expand(10**12),
    torch.zeros(1).as_strided((10**6, 10**6), (0, 0)),
    torch.zeros(3, 3).to_sparse(),
    torch.zeros(4, device="meta"),
    torch.zeros(2, dtype=torch.complex64),
    torch.zeros(0),
    torch.zeros(()),
    torch.full((8,), float("nan")),
    torch.full((8,), 1e38),
    torch.zeros(8, dtype=torch.bool),
    torch.zeros(8, dtype=torch.int8),
    torch.zeros(2, 3, dtype=torch.bfloat16),
    torch.zeros(8, dtype=torch.float8_e4m3fn),
    torch.nn.Parameter(torch.zeros(8)),
)  # fmt: skip


def of_tensors(path: Path, draw: Random) -> None:
    """Spoil the values in a file of torch.save."""
    content: Any = torch.load(path, weights_only=True)
    for _ in range(draw.choice((1, 1, 3))):
        inside, key = draw.choice(list(places(content)))
        match draw.randrange(5):
            case 0:
                del inside[key]
            case 1:
                inside[key] = draw.choice(ODD)
            case 2 if isinstance(inside, dict):
                inside[draw.choice(("", 7, "x", None))] = inside.pop(key)
            case _:
                inside[key] = draw.choice(TENSORS)
        if not content:
            break
    match draw.randrange(12):
        case 0:
            content = draw.choice((*ODD[:20], *TENSORS, [content], {"state": content}))
        case 1:
            content = {"a": torch.nn.ReLU(), "b": Seq(())}  # code, which must not be run
    torch.save(content, path, _use_new_zipfile_serialization=draw.random() < 0.9)


@kind(5)
def weights(folder: Path, draw: Random) -> list[str]:
    runs = trained.copied(folder)
    path = next(runs.glob("*/weights.pt"))
    spoil(path, draw, of_tensors)
    command = ["show", "--weights", draw.choice((str(path), path.parent.name)), "--runs", str(runs)]
    if draw.random() < 0.2:
        return ["convert", "torchvision:squeezenet1_1", "--state", str(path)]
    return [*command, "--all"] if draw.random() < 0.5 else command


@kind(6)
def checkpoint(folder: Path, draw: Random) -> list[str]:
    runs = trained.copied(folder)
    (run,) = (path.parent for path in runs.glob("*/checkpoint.pt"))
    for name in draw.choice((["checkpoint.pt"], ["checkpoint.pt", "checkpoint.previous.pt"])):
        spoil(run / name, draw, of_tensors)
    return draw.choice((trained.train_seed(folder, 7), ["show", "--weights", run.name]))


def png(width: int, height: int) -> bytes:
    """Return a black picture of one bit a pixel, of any size in few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    row, pack = bytes(1 + (width + 7) // 8), zlib.compressobj(1)
    data = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@kind(6)
def image(folder: Path, draw: Random) -> list[str]:
    trained.copied(folder)
    path = folder / "data" / draw.choice(("train", "test")) / "cat" / "0.png"
    match draw.randrange(8):
        case 0:
            path.write_bytes(png(*draw.choice(((1, 300_000), (300_000, 1), (20_000, 9_000)))))
        case 1:
            content = io.BytesIO()
            form = draw.choice(("GIF", "BMP", "TIFF", "WEBP", "JPEG", "PPM", "ICO"))
            Image.new(draw.choice(("RGB", "L")), (9, 5)).save(content, form)
            path.write_bytes(content.getvalue())
        case 2:
            path.rename(path.with_name(draw.choice(("\udcff.png", "a\nb.png", "x" * 250 + ".png"))))
        case 3:
            path.parent.rename(path.parent.with_name(draw.choice(("\udcff", "a\nb", "[red]", "é"))))
        case 4:
            draw.choice(IN_ITS_PLACE)(path)
        case _:
            spoil(path, draw)
    return trained.train_seed(folder, 0)


@kind(6)
def study_files(folder: Path, draw: Random) -> list[str]:
    """What a study keeps, spoilt, where all of its runs are done."""
    runs = trained.copied(folder)
    names = ("plan.json", "study.json", "status.json", "journal.log", "lock", "workers.log")
    (kept,) = (runs / "studies").iterdir()
    path = kept / draw.choice(names)
    path.touch()
    spoil(path, draw, of_json if path.suffix == ".json" else None)
    return trained.study_run(folder)
