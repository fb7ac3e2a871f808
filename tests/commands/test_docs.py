"""`fuseablate docs` and `fuseablate schema`."""

from __future__ import annotations

import json

import pytest

from fuseablate.commands.program import main


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_an_op_says_what_each_field_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = printed(capsys, "docs", "op", "fuse")
    assert "kernel: whole number from 1; must be given" in text
    assert 'variant: "full" | "half"; default "full"' in text
    assert max(map(len, text.splitlines())) <= 60


def test_a_study_lists_the_tables_within_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "docs", "study")
    heads = ("[[factors]]", "[[factors.levels]]", "[search]", "[search.finalists]", "[tune]")
    for head in (*heads, '[data], name = "generated"', '[[search.parameters]], kind = "int"'):
        assert f"\n{head}\n" in text
    assert "train_images: whole number from 2; default 100\n      For each class." in text


def test_all_ops_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "docs", "op")
    first = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert printed(capsys, "docs") == text
    assert {"conv", "fuse", "regnet", "coordinate"} <= first


def test_what_there_is_no_reference_of_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "op", "fues"]) == 2
    assert "unknown op 'fues'; did you mean 'fuse'?" in capsys.readouterr().err
    assert main(["docs", "study", "fuse"]) == 2
    said = "docs study: takes no name; 'docs op fuse' is an op's\n"
    assert said in capsys.readouterr().err


def test_a_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "schema", "recipe"))["properties"]["lr"]["type"] == "number"
