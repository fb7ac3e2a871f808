"""`fuseablate list`, as a user sees it."""

from __future__ import annotations

import json

import pytest

from fuseablate.commands.list import natural
from fuseablate.commands.program import main
from fuseablate.spec.catalog import shipped_specs


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *words: str
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["list", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


@pytest.mark.parametrize("columns", [80, 120, 160])
def test_every_shipped_table_is_there(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, columns).splitlines()
    count = len(shipped_specs())
    names = [line.split()[0] for line in lines[1 : 1 + count]]
    assert sorted(names) == sorted(shipped_specs())
    assert max(len(line) for line in lines[: 1 + count]) <= columns
    assert names.index("resnet18") < names.index("resnet50") < names.index("resnet101")


def test_published_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision states 25,557,032 params and 4.09 GFLOPS; the table has 8 rows."""
    specs = {e["name"]: e for e in json.loads(printed(capsys, monkeypatch, 80, "--json"))}
    entry = specs["resnet50"]
    assert (entry["params"], round(entry["macs"] / 1e9, 2)) == (25_557_032, 4.09)
    assert (entry["rows"], entry["blocks"]) == (8, 1 + 1 + 3 + 4 + 6 + 3 + 1 + 1)
    assert (entry["input"], entry["classes"]) == (224, 1000)
    assert "cifar" in entry["forms"]
    assert "He et al." in entry["source"]
    assert specs["fusenet"]["params"] == 3_284_608
    assert specs["fusenet"]["rows"] == 16


def test_a_part_of_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 80, "Fusenet").splitlines()
    assert lines[1].startswith("fusenet")
    assert "3.28M 73.9M" in " ".join(lines[1].split())
    assert main(["list", "resnt18"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "did you mean 'resnet18'?" in err


def test_numbers_in_names_are_numbers() -> None:
    names = ["vgg16_bn", "resnet101", "vgg16", "resnet18", "densenet", "vgg11"]
    expected = ["densenet", "resnet18", "resnet101", "vgg11", "vgg16", "vgg16_bn"]
    assert sorted(names, key=natural) == expected
