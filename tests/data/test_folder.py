"""A folder of images, and everything that may be wrong with one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as tv

from fuseablate.data import load_data
from fuseablate.data.batches import TrainBatches
from fuseablate.data.parts import Data
from fuseablate.errors import InputError
from fuseablate.streams import stream


def picture(seed: int, width: int = 16, height: int = 16) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make 5 training and 2 test images of each of 2 classes, 16 x 16."""
    root = tmp_path / "animals"
    seed = 0
    for part, count in (("train", 5), ("test", 2)):
        for name in ("bee", "ape"):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                picture(seed).save(folder / f"{number}.png")
                seed += 1
    return root


def load(root: Path, size: int = 16, memory_limit: int = 2**20) -> Data:
    return load_data("folder", root, size=size, memory_limit=memory_limit)


def fails(root: Path, message: str, **options: int) -> None:
    """Check that loading fails with the one line `message`, where ROOT stands for the folder."""
    with pytest.raises(InputError) as error:
        load(root, **options)
    expected = re.escape(message.replace("ROOT", str(root))).replace(r"\.\.\.", ".*")
    assert re.fullmatch(expected, str(error.value)), str(error.value)


def test_images_of_the_size_asked_for_are_kept_byte_for_byte(root: Path) -> None:
    data = load(root)
    assert (data.name, data.title) == ("animals", "folder of images 'animals'")
    assert (data.class_names, data.classes) == (("ape", "bee"), 2)
    assert (len(data.train), len(data.val), len(data.test())) == (8, 2, 4)
    assert torch.bincount(data.val.labels).tolist() == [1, 1]
    whole = torch.cat([data.train.images, data.val.images])
    labels = data.train.labels.tolist() + data.val.labels.tolist()
    kept = {
        image.permute(1, 2, 0).contiguous().numpy().tobytes(): data.class_names[label]
        for image, label in zip(whole, labels, strict=True)
    }
    assert kept == {Image.open(path).tobytes(): path.parent.name for path in root.glob("train/*/*")}
    assert data.train.images.is_contiguous(memory_format=torch.channels_last)
    first = np.asarray(Image.open(root / "test" / "ape" / "0.png"))
    assert np.array_equal(data.test().images[0].permute(1, 2, 0).numpy(), first)
    assert data.test().labels.tolist() == [0, 0, 1, 1]


def test_other_images_are_resized_by_the_shorter_side_and_cut_in_the_middle(root: Path) -> None:
    picture(99, width=50, height=30).save(root / "test" / "ape" / "0.png")
    resize = tv.Compose([tv.Resize(20), tv.CenterCrop(20)])
    expected = np.asarray(resize(Image.open(root / "test" / "ape" / "0.png")))
    data = load(root, size=20)
    assert data.image_size == (20, 20)
    assert np.array_equal(data.test().images[0].permute(1, 2, 0).numpy(), expected)


def test_grey_images_become_colour(root: Path) -> None:
    picture(99).convert("L").save(root / "test" / "ape" / "0.png")
    image = load(root).test().images[0]
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])


def test_statistics_are_measured_on_the_training_part_or_given(root: Path) -> None:
    data = load(root)
    pixels = data.train.images.numpy() / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 2, 3)), atol=1e-6)
    half, third = (0.5, 0.5, 0.5), (0.3, 0.3, 0.3)
    given = load_data("folder", root, size=16, mean=half, std=third)
    assert (given.mean, given.std) == (half, third)


def test_val_is_the_test_set_where_there_is_no_test(root: Path) -> None:
    before = load(root)
    images = before.test().images
    (root / "test").rename(root / "val")
    data = load(root)
    assert torch.equal(data.test().images, images)
    assert data.identity == before.identity


def test_val_beside_test_is_the_validation_set(root: Path) -> None:
    for number, name in enumerate(("ape", "bee", "bee")):
        folder = root / "val" / name
        folder.mkdir(parents=True, exist_ok=True)
        picture(50 + number).save(folder / f"{number}.png")
    without = load(root)
    assert (len(without.train), len(without.val), len(without.test())) == (10, 3, 4)
    assert without.val.labels.tolist() == [0, 1, 1]
    first = np.asarray(Image.open(root / "val" / "ape" / "0.png"))
    assert np.array_equal(without.val.images[0].permute(1, 2, 0).numpy(), first)
    assert without.parts == "trained on train/, validated on val/, tested on test/"
    picture(60).save(root / "val" / "ape" / "0.png")
    assert load(root).identity != without.identity
    (root / "val" / "bee").rename(root / "val" / "cat")
    fails(root, "ROOT/val lacks the class 'bee' of ROOT/train; both need the same class folders")


def test_what_the_parts_are_is_said(root: Path) -> None:
    assert load(root).parts == "validated on a tenth of train/, tested on test/"
    (root / "test").rename(root / "val")
    said = "validated on a tenth of train/, tested on val/, since there is no test/"
    assert load(root).parts == said


def test_the_identity_depends_on_the_files_and_not_on_their_place(
    root: Path, tmp_path: Path
) -> None:
    identity = load(root).identity
    assert json.loads(json.dumps(identity)) == identity
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(root, copy)
    assert load(copy).identity == identity
    assert load(root, size=8).identity["content"] == identity["content"]
    assert load(root, size=8).identity != identity

    picture(98).save(copy / "test" / "bee" / "1.png")
    changed_test = load(copy).identity
    assert changed_test["mean"] == identity["mean"]
    assert changed_test["content"] != identity["content"]


def test_a_renamed_class_changes_the_identity(root: Path) -> None:
    before = load(root).identity
    for part in ("train", "test"):
        (root / part / "bee").rename(root / part / "cat")
    assert load(root).identity != before


def test_test_images_that_change_during_a_run_are_an_error(root: Path) -> None:
    data = load(root)
    picture(98).save(root / "test" / "bee" / "1.png")
    with pytest.raises(InputError, match=r"test: the images have changed since they were checked$"):
        data.test()


LAYOUT = "the layout is train/CLASS/IMAGE and test/CLASS/IMAGE (or val for test)"


def test_a_missing_folder(root: Path) -> None:
    shutil.rmtree(root)
    fails(root, f"ROOT/train is not a folder; {LAYOUT}")


def test_no_training_folder(root: Path) -> None:
    shutil.rmtree(root / "train")
    fails(root, f"ROOT/train is not a folder; {LAYOUT}")


def test_no_test_folder(root: Path) -> None:
    shutil.rmtree(root / "test")
    fails(root, f"ROOT/test is not a folder; {LAYOUT}")


def test_no_class_folders(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    fails(root, f"ROOT/train has no class folders; {LAYOUT}")


def test_one_class(root: Path) -> None:
    shutil.rmtree(root / "train" / "bee")
    fails(root, "ROOT/train has one class, 'ape'; at least 2 are needed")


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_without_images(root: Path, part: str) -> None:
    for path in (root / part / "bee").iterdir():
        path.rename(path.with_suffix(".txt"))
    fails(root, f"ROOT/{part}/bee has no images (files ending in .jpg, ...)")


def test_a_class_of_one_image(root: Path) -> None:
    for number in range(1, 5):
        (root / "train" / "bee" / f"{number}.png").unlink()
    fails(root, "class 'bee' has 1 training images; at least 2 are needed, ...")


def test_a_class_that_only_the_training_set_has(root: Path) -> None:
    shutil.copytree(root / "train" / "bee", root / "train" / "cat")
    fails(root, "ROOT/test lacks the class 'cat' of ROOT/train; ...")


def test_a_class_that_only_the_test_set_has(root: Path) -> None:
    shutil.copytree(root / "test" / "bee", root / "test" / "cat")
    fails(root, "ROOT/train lacks the class 'cat' of ROOT/test; ...")


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("fault", ["truncated", "no image", "empty"])
def test_an_unreadable_image(root: Path, part: str, fault: str) -> None:
    path = root / part / "ape" / "1.png"
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:400], "no image": b"GIF, no", "empty": b""}[fault])
    fails(root, f"ROOT/{part}/ape/1.png can't be read as an image: ...")


def test_a_set_larger_than_the_memory_allowed_lies_in_a_file(root: Path) -> None:
    whole, streamed = load(root), load(root, memory_limit=8192)  # 14 images of 768 bytes: 10,752
    assert streamed.identity == whole.identity
    for mine, other in zip(
        (streamed.train, streamed.val, streamed.test()), (whole.train, whole.val, whole.test()),
        strict=True,
    ):  # fmt: skip
        assert torch.equal(mine.images, other.images)
        assert torch.equal(mine.labels, other.labels)
        assert mine.images.is_contiguous(memory_format=torch.channels_last)

    def batches(data: Data) -> list[torch.Tensor]:
        order, augment = [stream(0, "order")], [stream(0, "augment")]
        made = TrainBatches(data.train, data, 4, "cpu", order=order, augment=augment)
        return [images for images, _ in made]

    pairs = zip(batches(streamed), batches(whole), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_a_disk_without_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    line = (
        r"train: 10 images of 512 x 512 need 8 MiB, more than memory may hold, and .* has "
        r"1 MiB free; use smaller images, or another folder by TMPDIR$"
    )
    with pytest.raises(InputError, match=line):
        load(root, size=512, memory_limit=8192)


def test_no_size(root: Path) -> None:
    with pytest.raises(
        InputError, match=r"^size: missing; folder data need it, such as size = 32$"
    ):
        load_data("folder", root)


def test_no_folder() -> None:
    with pytest.raises(
        InputError, match=r"^folder data: root: missing; name the folder of the images"
    ):
        load_data("folder", size=32)


def test_a_size_of_nothing(root: Path) -> None:
    fails(root, "folder data: size = 0: must be at least 1 (nearest: 1)", size=0)
