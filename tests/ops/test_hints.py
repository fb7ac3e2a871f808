"""What an error says to use instead: it is said as it is, and followed it makes a network."""

from __future__ import annotations

import pytest

from fuseablate import InputError, load_spec


@pytest.mark.parametrize(
    ("name", "edits", "said", "mended"),
    [
        ("fusenet", "6.variant=half 6.exp=41", "41 is odd; use 42", "6.variant=half 6.exp=42"),
        (
            "fusenet",
            "6.op=ghost 6.ratio=3",
            "out=40 does not divide by ratio=3; use out=39",
            "6.op=ghost 6.ratio=3 6.out=39",
        ),
        ("fusenet", "2.op=shift 2.kernel=4", "odd kernel; use 5", "2.op=shift 2.kernel=5"),
        (
            "fusenet",
            "1.spatial=shift 1.kernel=4",
            "needs an odd kernel; use 5",
            "1.spatial=shift 1.kernel=5",
        ),
        ("resnet18", "3.op=eca 3.kernel=4", "no middle; use 5", "3.op=eca 3.kernel=5"),
        ("fusenet", "1.stride=40", "use a stride of at most 32", "1.stride=32"),
        ("shufflenet_v2_x1_0", "3.out=117", "two halves; use 118", "3.out=118"),
        # The window of 3 with a padding of 1, as it stands in the table.
        ("resnet18", "2.padding=2", "window of 3; use at most 1", "3.out=48"),
        ("resnet18", "3/2.depth=3", "use 3.depth", "3.depth=3"),
        # 0.14 of 7 channels is less than one of them.
        (
            "densenet_bc_100_12",
            "1.out=6 2.growth=1 2.depth=1 3.compression=0.1",
            "a compression of 0.1 leaves none of 7 channels; use at least 0.15",
            "1.out=6 2.growth=1 2.depth=1 3.compression=0.15",
        ),
        # 13 as it stands in the table, on maps of 224 / 32.
        (
            "fusenet",
            "13.form=linear 13.out=512",
            "the map is 7x7 and the kernel 1; use form=conv",
            "13.out=512",
        ),
        (
            "fusenet",
            "15.form=linear",
            "ends in a linear layer; use form=linear here too",
            "15.form=linear 16.form=linear",
        ),
        ("fusenet", "1.kernel=3x", "write 3 or, height first, 1x7", "1.kernel=1x7"),
        (
            "fusenet",
            "1.out=24 1.groups=3 1.kernel=1 1.weight_std=true",
            "depthwise 1x1 has one; use a larger kernel",
            "1.out=24 1.groups=3 1.weight_std=true",
        ),
        ("fusenet", "1.spatial=fuse 1.groups=3", "of its own; use groups=1", "1.spatial=fuse"),
        ("fusenet", "1.spatial=fuse_half", "3 is odd; use spatial=fuse", "1.spatial=fuse"),
        (
            "fusenet",
            "1.spatial=depthwise",
            "makes 3 channels to as many or a multiple, not to 16; use spatial=separable",
            "1.spatial=separable",
        ),
        (
            "fusenet",
            "6.op=ghost 6.filter=fuse",
            "twice the channels, and no 1x1 stands behind to take them; use filter=fuse_half",
            "6.op=ghost 6.filter=fuse_half",
        ),
        (
            "fusenet",
            "1.spatial=fuse 1.kernel=1x3",
            "spatial=fuse needs a square kernel and padding=same",
            "1.spatial=fuse",
        ),
        (
            "resnet18",
            "all.shortcut=pad 3.out=63",
            "an even number of channels, and cannot make 63 of 64; use shortcut=project",
            "3.out=63",
        ),
    ],
)
def test_a_hint_is_right(name: str, edits: str, said: str, mended: str) -> None:
    spec = load_spec(name)
    with pytest.raises(InputError) as error:
        spec.edit(*edits.split()).infer((32, 32))
    assert str(error.value).endswith(said)
    assert spec.edit(*mended.split()).infer((32, 32))


def test_a_kernel_that_is_larger_than_the_map_needs_a_larger_input() -> None:
    with pytest.raises(InputError, match=r"of a 1x1 map; use a larger input$"):
        load_spec("alexnet").infer((8, 8))
    assert load_spec("alexnet").infer((224, 224))
