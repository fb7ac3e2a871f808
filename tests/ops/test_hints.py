"""What an error says to use instead: it is said as it is, and followed it makes a network."""

from __future__ import annotations

import pytest

from fuseablate import InputError, load_spec


@pytest.mark.parametrize(
    ("name", "edits", "said", "mended"),
    [
        ("fusenet", "6.variant=half 6.exp=41", "41 is odd; use 42", "6.variant=half 6.exp=42"),
        ("fusenet", "6.op=ghost 6.ratio=3", "use out=39", "6.op=ghost 6.ratio=3 6.out=39"),
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
