"""What `show` prints of rows: repeats, forms, norms, branches, notes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torchvision

from fuseablate.commands.program import main
from fuseablate.layers import Cost, Layer, Shape, seq
from fuseablate.ops import Row, Settings
from fuseablate.ops.fields import Int, Kernel, Listed, field, part
from fuseablate.ops.row import Fields
from fuseablate.show.lines import notes, unfolded
from fuseablate.spec.table import InferredRow
from tests.helpers.shown import printed


def test_repeats_stand_in_one_line_with_their_sum(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 140, "show", "resnet50").splitlines()
    heads = "Row Input HxWxC Operator Kernel BN inner out NL stride Output Params MACs"
    assert " ".join(lines[1].split()) == heads  # neither exp nor SE: no row has any
    rows = {line.partition("  ")[0]: line.split() for line in lines[2:13]}
    assert list(rows) == ["1", "2", "3 x3", "4", "4/2 x3", "5", "5/2 x5", "6", "6/2 x2", "7", "8"]
    with torch.device("meta"):
        reference = torchvision.models.resnet50()

    def params(*blocks: torch.nn.Module) -> str:
        return f"{sum(p.numel() for block in blocks for p in block.parameters()):,}"

    assert rows["3 x3"][-2] == params(reference.layer1)
    assert rows["4"][-2] == params(reference.layer2[0])
    assert rows["5/2 x5"][-2] == params(*list(reference.layer3)[1:])
    assert rows["3 x3"][2] == "56x56x64"
    assert rows["3 x3"][-3] == "56x56x256"
    assert f"{sum(p.numel() for p in reference.parameters()):,} params" in "\n".join(lines)


def test_all_shows_each_repeat(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 80, "show", "resnet50", "--all").splitlines()
    ids = [line.split()[0] for line in lines[2:22]]
    assert ids[2:9] == ["3", "3/2", "3/3", "4", "4/2", "4/3", "4/4"]
    assert len(ids) == 20


def test_a_form_says_its_edits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = "1.kernel=3 1.stride=1 2.kernel=1 2.stride=1 2.padding=0 input=32 classes=100"
    out = printed(capsys, monkeypatch, 120, "show", "resnet18")
    assert f"form resnet18:cifar: {edits}\n" in out
    out = printed(capsys, monkeypatch, 120, "show", "resnet18:cifar")
    assert out.splitlines()[1] == f"in this form: {edits}"


@pytest.mark.parametrize(("edit", "norm"), [("all.norm=group", "GN"), ("5.norm=group", "BN")])
def test_group_norms_are_named(
    edit: str, norm: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(capsys, monkeypatch, 140, "show", "resnet18", "--set", edit)
    assert " Norm " in out.splitlines()[1]
    assert out.splitlines()[2].split()[4] == norm


def test_a_choice_of_all_rows_of_an_op_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(capsys, monkeypatch, 80, "show", "fusenet", "--set", "fuse.variant=half")
    assert "variant=half in every fuse row\n" in out
    out = printed(capsys, monkeypatch, 80, "show", "resnet50", "--set", "4.residual=false")
    assert "residual=false in row 4, 4/2\n" in out
    assert "residual=true" not in out


@dataclass(frozen=True, kw_only=True)
class Chain(Fields):
    kernel: int | str = field(Listed(Kernel()), 1)
    out: int | str = field(Listed(Int(scales=True)))


@dataclass(frozen=True, kw_only=True)
class Branching(Row):
    op = "branching"
    title = "Branching"

    squeeze: int = field(Int(scales=True))
    b1: Chain | None = part(Chain)  # noqa: RUF009
    b2: Chain | None = part(Chain)  # noqa: RUF009

    def kernel_text(self, shape: Shape) -> str:
        return "-"

    def layers(self, shape: Shape, settings: Settings) -> Layer:
        return seq()


def branching(id: str) -> InferredRow:
    cells = {"squeeze": 16, "b1": {"out": 64}, "b2": {"kernel": "1x1,3", "out": "96,128"}}
    row = Branching.from_values(id, cells)
    return InferredRow(row, seq(), (3, 8, 8), (3, 8, 8), Cost())


def test_branches_are_written_short() -> None:
    (text,) = notes(unfolded([branching("3")]), full=False)
    assert text == "row 3: squeeze 16; b1 1x1 64; b2 1x1 96, 3x3 128"


def test_notes_do_not_drown_the_table() -> None:
    lines = unfolded([branching(str(number)) for number in range(100)])
    short = notes(lines, full=False)
    assert len(short) == 25
    assert short[-1] == "and 76 more rows; --all names them"
    assert len(notes(lines, full=True)) == 100


def test_branches_of_inception_v3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in torchvision's InceptionA, InceptionB and InceptionE."""
    lines = printed(capsys, monkeypatch, 120, "show", "inception_v3").splitlines()
    a = "b1 1x1 64; b2 1x1 48, 5x5 64; b3 1x1 64, 3x3 96, 3x3 96; b4 avg pool, 1x1 32"
    b3 = "b3 1x1 448, 3x3 384, 1x3+3x1 384"
    e = f"b1 1x1 320; b2 1x1 384, 1x3+3x1 384; {b3}; b4 avg pool, 1x1 192"
    assert f"row 8: {a}" in lines
    assert "row 10: b1 3x3 384; b2 1x1 64, 3x3 96, 3x3 96; b3 max pool" in lines
    assert f"row 16 x2: {e}" in lines


def test_a_convolution_with_an_activation_and_no_norm_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows 1 and 2 lack it; row 3 says so itself, and a classifier's 1x1 map needs none."""
    table = (
        "input = 32\nclasses = 10\nrows = [\n"
        '{ op = "conv", kernel = 3, out = 8, nl = "relu" },\n'
        '{ op = "conv", kernel = 3, out = 8, nl = "relu" },\n'
        '{ op = "conv", kernel = 3, out = 8, nl = "relu", norm = "none" },\n'
        '{ op = "conv", kernel = 3, out = 8, norm = "batch", nl = "relu" },\n'
        '{ op = "pool" },\n'
        '{ op = "conv", kernel = 1, out = 16, nl = "relu" },\n'
        '{ op = "conv", kernel = 1, out = "classes" },\n]\n'
    )
    path = tmp_path / "mine.toml"
    path.write_text(table, encoding="utf-8")
    assert main(["show", str(path)]) == 0
    said = 'no norm before the activation in row 1, 2: norm = "batch" adds one'
    assert said in capsys.readouterr().out
