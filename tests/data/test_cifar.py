"""CIFAR: a small set in the official format stands in for the real one, and the real one."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR100

from fuseablate.data import load_data
from fuseablate.errors import InputError

FOLDER, ARCHIVE = "cifar-100-python", "cifar-100-python.tar.gz"


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make and serve a set of 3 classes that torchvision takes for CIFAR-100; return its folder."""
    folder = tmp_path / "official" / FOLDER
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 9)):
        pixels = random.integers(0, 256, (count, 3 * 32 * 32), np.uint8)
        labels = [place % 3 for place in range(count)]
        (folder / part).write_bytes(pickle.dumps({"data": pixels, "fine_labels": labels}))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["ape", "bee", "cat"]}))
    archive = folder.parent / ARCHIVE
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, FOLDER)
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5(folder / "train")]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5(folder / "test")]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5(folder / "meta")})
    monkeypatch.setattr(CIFAR100, "tgz_md5", md5(archive))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent)) as server:
        monkeypatch.setattr(CIFAR100, "url", f"http://127.0.0.1:{server.server_port}/{ARCHIVE}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield folder
        server.shutdown()


@pytest.fixture
def root(official: Path, tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the official one."""
    shutil.copytree(official, tmp_path / "root" / FOLDER)
    return tmp_path / "root"


def test_pixels_and_labels_are_those_of_the_files(root: Path) -> None:
    data = load_data("cifar100", root)
    assert (data.name, data.title, data.class_names) == (
        "cifar100",
        "CIFAR-100",
        ("ape", "bee", "cat"),
    )
    assert (data.classes, data.image_size) == (3, (32, 32))
    assert (len(data.train), len(data.val), len(data.test())) == (54, 6, 9)
    assert torch.bincount(data.val.labels).tolist() == [2, 2, 2]
    for part, file in ((data.test(), "test"), (data.train, "train"), (data.val, "train")):
        official = pickle.loads((root / FOLDER / file).read_bytes())
        pixels = torch.from_numpy(official["data"]).view(-1, 3, 32, 32)
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            (place,) = (pixels == image).all((1, 2, 3)).nonzero()[:, 0].tolist()
            assert official["fine_labels"][place] == label
        assert part.images.is_contiguous(memory_format=torch.channels_last)


def test_the_source_gives_mean_and_std_unless_the_user_does(root: Path) -> None:
    assert load_data("cifar100", root).mean == (0.4914, 0.4822, 0.4465)
    assert load_data("cifar100", root).std == (0.2023, 0.1994, 0.2010)
    own = load_data("cifar100", root, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert (own.mean, own.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    with pytest.raises(InputError, match="give both"):
        load_data("cifar100", root, mean=(0.5, 0.5, 0.5))


def test_the_identity_names_the_content_and_not_the_place(root: Path, official: Path) -> None:
    identity = load_data("cifar100", root).identity
    assert identity == load_data("cifar100", official.parent).identity
    assert identity == load_data("cifar100", official).identity  # the folder itself is taken too
    assert json.loads(json.dumps(identity)) == identity
    assert identity["content"] == {file: md5(official / file) for file in ("train", "test", "meta")}
    assert str(root) not in json.dumps(identity)
    other = load_data("cifar100", root, split_seed=1).identity
    assert {key for key in identity if identity[key] != other[key]} == {"split_seed"}


@pytest.mark.parametrize("file", ["train", "test", "meta"])
@pytest.mark.parametrize("fault", ["missing", "truncated", "altered"])
def test_a_wrong_file_is_named_and_left_as_it_is(root: Path, file: str, fault: str) -> None:
    path = root / FOLDER / file
    expected, whole = md5(path), path.read_bytes()
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] + (b"" if fault == "truncated" else b"!"))
    before = contents(root)
    with pytest.raises(InputError) as error:
        load_data("cifar100", root)
    message = str(error.value)
    assert message.startswith(f"cifar100: {path} ")
    assert "\n" not in message
    assert f"remove {root / FOLDER} to have the whole set downloaded" in message
    if fault == "missing":
        assert "is missing" in message
    else:
        assert f"has MD5 {md5(path)}, not {expected}" in message
    assert contents(root) == before


def test_the_test_images_are_read_when_asked_for(root: Path) -> None:
    data = load_data("cifar100", root)
    (root / FOLDER / "test").unlink()
    with pytest.raises(InputError, match="test is missing"):
        data.test()


@pytest.mark.parametrize("place", ["root", "deep/er"])
def test_a_missing_set_is_downloaded_whole(
    official: Path, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load_data("cifar100", tmp_path / place)
    assert contents(tmp_path / place) == {
        f"{FOLDER}/{name}": (official / name).read_bytes() for name in ("train", "test", "meta")
    }
    assert "100%" in capsys.readouterr().err  # torchvision's progress bar
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["official", Path(place).parts[0]]
    )


def test_an_archive_that_lies_there_is_unpacked_without_a_network(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/nobody-listens-here")
    root = tmp_path / "root"
    root.mkdir()
    shutil.copy(official.parent / ARCHIVE, root)
    assert len(load_data("cifar100", root, download=False).train) == 54
    assert sorted(path.name for path in root.iterdir()) == [FOLDER, ARCHIVE]


def test_a_truncated_archive_is_named_and_left_as_it_is(official: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    archive = root / ARCHIVE
    archive.write_bytes((official.parent / ARCHIVE).read_bytes()[:-1])
    before = contents(root)
    with pytest.raises(InputError) as error:
        load_data("cifar100", root)
    assert str(error.value) == (
        f"cifar100: {archive} has MD5 {md5(archive)}, not {CIFAR100.tgz_md5}: it is truncated or "
        "altered; put the official file there, or remove it to have it downloaded"
    )
    assert contents(root) == before


@pytest.mark.parametrize("fault", ["no network", "wrong archive"])
def test_a_failed_download_leaves_nothing(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "no network":
        monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/nobody-listens-here")
    else:
        (official.parent / ARCHIVE).write_bytes(b"not the archive")
    root = tmp_path / "root"
    with pytest.raises(InputError) as error:
        load_data("cifar100", root)
    message = str(error.value)
    assert message.startswith(f"cifar100: neither {FOLDER} nor {ARCHIVE} is in {root}, and getting")
    assert "\n" not in message
    assert not root.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["official"]


def test_no_download_without_leave(official: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^cifar100: neither {FOLDER} nor .* allow the download$"):
        load_data("cifar100", tmp_path / "root", download=False)
    assert not (tmp_path / "root").exists()


def test_a_file_in_the_place_of_the_folder_is_an_error(official: Path, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with pytest.raises(InputError, match=r"root is not a folder; name the one with"):
        load_data("cifar100", tmp_path / "root")


def test_another_process_may_be_faster(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    whole_download = CIFAR100.download

    def overtaken(self: CIFAR100) -> None:
        whole_download(self)
        shutil.copytree(official, root / FOLDER)

    monkeypatch.setattr(CIFAR100, "download", overtaken)
    assert len(load_data("cifar100", root).train) == 54
    assert [path.name for path in root.iterdir()] == [FOLDER]


def test_cifar_is_not_resized(root: Path) -> None:
    assert load_data("cifar100", root, size=32).image_size == (32, 32)
    with pytest.raises(InputError, match=r"^cifar100 data: size = 64: must be 32 \(nearest: 32\)$"):
        load_data("cifar100", root, size=64)


@pytest.mark.cifar100
def test_the_real_set_is_split_45000_to_5000(cifar100_root: Path) -> None:
    data = load_data("cifar100", cifar100_root)
    assert (len(data.train), len(data.val), data.classes) == (45_000, 5_000, 100)
    assert torch.bincount(data.train.labels).tolist() == [450] * 100
    assert torch.bincount(data.val.labels).tolist() == [50] * 100
    with (cifar100_root / FOLDER / "train").open("rb") as file:
        official = pickle.load(file, encoding="latin1")
    digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in official["data"]]
    parts = [
        hashlib.sha256(image.contiguous().numpy().tobytes()).hexdigest()
        for part in (data.train, data.val)
        for image in part.images
    ]
    assert sorted(parts) == sorted(digests)  # disjoint, and nothing is lost
    # MD5 as published by the data's authors and by torchvision.
    assert data.identity["content"] == {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    }


@pytest.mark.cifar100
def test_the_real_test_set_has_100_images_of_each_class(cifar100_root: Path) -> None:
    test = load_data("cifar100", cifar100_root).test()
    assert torch.bincount(test.labels).tolist() == [100] * 100
