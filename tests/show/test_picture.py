"""`fuseablate show --svg`: what stands in the picture."""

# ruff: noqa: RUF001 - a multiplication sign is what a picture of maps writes
from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fuseablate import load_spec
from fuseablate.commands.program import main
from fuseablate.layers import (
    Act,
    AuxHead,
    Concat,
    Conv,
    Flatten,
    GlobalPool,
    Linear,
    Norm,
    Pool,
    seq,
)
from fuseablate.show.blocks import Graph, draw
from fuseablate.show.lines import folded, unfolded
from fuseablate.show.picture import to_dot
from tests.helpers.programs import Needs


@pytest.fixture
def dot(needs: Needs) -> str:
    return needs("dot")


def clusters(name: str, *edits: str) -> list[str]:
    """The rows, then each block drawn in full."""
    spec = load_spec(name).edit(*edits)
    return to_dot(spec, folded(spec.infer())).split("subgraph ")[1:]


def test_rows_of_a_resnet() -> None:
    """ResNet-18 has 8 blocks; the two of the first stage are equal. Three stages begin anew."""
    rows, *blocks = clusters("resnet18")
    assert rows.count("label=<Basic 3×3") == 7
    assert "Basic 3×3  ×2" in rows
    assert rows.count("label=<+>") == 7
    assert rows.count('style="dashed"') == 3
    assert "Conv2d 7×7 /2" in rows
    assert "56×56×64" in rows
    assert "11.7M params, 1.81G MACs" in rows
    assert len(blocks) == 2
    assert "of this kind: 5, 6" in blocks[1]
    assert "1×1 conv, 128 /2" in blocks[1]
    assert "1×1 conv" not in blocks[0]


def test_blocks_of_the_fuse_table() -> None:
    rows, with_se, without = clusters("fusenet")
    assert rows.count("label=<Fuse") == 11
    assert "label=<+>" not in rows  # the source has no residuals
    # row 2: 16 channels to two branches of 16; SE squeezes 32 to a quarter
    for text in ("1×3 depthwise, 16 /2", "3×1 depthwise, 16 /2", "concat", "SE 32 → 8 → 32"):
        assert text in with_se
        assert (text in without) == (text == "concat")


def test_all_draws_each_repeat() -> None:
    spec = load_spec("resnet18")
    text = to_dot(spec, unfolded(spec.infer()))
    assert text.split("subgraph ")[1].count("label=<Basic 3×3") == 8


def test_branches_and_a_head_at_the_side() -> None:
    head = seq(pool=GlobalPool(), flatten=Flatten(), fc=Linear(64, 10))
    tree = seq(
        branches=Concat(
            (
                ("b1", seq(conv=Conv(32, 16), norm=Norm(16), act=Act("relu"))),
                ("pool", Pool("max", (3, 3), (1, 1), (1, 1))),
                ("none", seq()),
            )
        ),
        aux=AuxHead((("head", head),), weight=0.3),
        last=Conv(80, 8, (3, 1), padding=(1, 0), groups=4),
    )
    graph = Graph("b")
    source = graph.node("in")
    end = draw(graph, tree, source)
    labels = dict(re.findall(r"(b_\d+) \[label=<([^<>]*)", "\n".join(graph.lines)))
    arrows = {
        (labels[tail], labels[head])
        for tail, head in re.findall(r"(b_\d+) -> (b_\d+)", "\n".join(graph.lines))
    }
    assert labels[end] == "3×1 groups, 8"
    assert arrows == {
        ("in", "1×1 conv, 16"),
        ("in", "3×3 max pool"),
        ("in", "concat"),
        ("1×1 conv, 16", "concat"),
        ("3×3 max pool", "concat"),
        ("concat", "auxiliary head"),
        ("concat", "3×1 groups, 8"),
    }


@pytest.mark.usefixtures("dot")
@pytest.mark.parametrize("name", ["fusenet", "resnet18:cifar"])
def test_the_file_is_an_svg(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    words = ["--set", "all.se=true", "--set", "all.nl=gelu"]
    assert main(["show", name, "--svg", str(path), *words]) == 0
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert any("all.nl=gelu" in str(text) for text in texts)
    assert "logits" in texts
    assert [element.name for element in tmp_path.iterdir()] == ["net.svg"]


def test_without_graphviz_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "net.svg"
    assert main(["show", "fusenet", "--svg", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.endswith(
        "Graphviz's program dot, which is not installed; install the package graphviz of your "
        "system\n"
    )
    assert err.count("\n") == 1
    assert not path.exists()


@pytest.mark.usefixtures("dot")
def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "fusenet", "--svg", str(tmp_path / "no" / "net.svg")]) == 2
    assert "there is no folder" in capsys.readouterr().err
