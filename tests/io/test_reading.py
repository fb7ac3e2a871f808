"""Files are read within limits, and what is wrong with one is a line that begins with its name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.io.reading import MissingError, entries, holders, parse_json, read_bytes, read_toml
from fuseablate.runs.store import Store
from fuseablate.spec.catalog import load_spec
from tests.helpers.paths import REPOSITORY

SE = REPOSITORY / "reports" / "se"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 33 + "]" * 33, "nested more than 32 deep"),
        ("[" * 100_000 + "]" * 100_000, "nested more than 32 deep"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested more than 32 deep"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("1e400", "inf: numbers are read up to 1e+100"),
        ("-1e300", "-1e+300: numbers are read up to 1e+100"),
        (str(2**63), "a whole number of 64 bits: at most 63 are read"),
        ("9" * 5000, "not valid JSON: Exceeds the limit"),
        ('"\\ud800"', "is not text: it holds half of a surrogate pair"),
        ('{"\\udfff": 1}', "is not text: it holds half of a surrogate pair"),
        ("{", "not valid JSON: "),
        (b"\xff\xfe\xff", "not valid JSON: "),
    ],
)
def test_what_json_may_not_hold(text: str | bytes, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        parse_json(text)


def test_what_json_may_hold() -> None:
    deep = "[" * 32 + "]" * 32
    assert parse_json(deep.encode())
    assert parse_json(f"[{2**63 - 1}, 1e100, -1e100]") == [2**63 - 1, 1e100, -1e100]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "nested more than 32 deep"),
        ("a = " + "9" * 5000, "not valid TOML: Exceeds the limit"),
        ("a = 0x" + "f" * 5000, "a whole number of 20000 bits"),
        ("a = 1e300", "1e+300: numbers are read up to 1e+100"),
        ("#" * 2**20 + "\n", "it has 1,048,577 bytes, and the limit is 1,048,576"),
    ],
)
def test_what_toml_may_not_hold(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read_toml(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_toml_may_begin_with_the_mark_that_some_editors_write(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_toml(path) == {"a": 1}


def test_only_ordinary_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "ring").symlink_to("ring")
    special = "it is not an ordinary file"
    said = {"pipe": special, "device": special, "ring": "cannot be read", ".": "it is a folder",
            "x" * 300: "File name too long", "\0": "is not a valid file name"}  # fmt: skip
    for name, why in said.items():
        with pytest.raises(InputError, match=why):
            read_bytes(tmp_path / name)
    for name in ("nothing", "pipe/inside"):
        with pytest.raises(MissingError):
            read_bytes(tmp_path / name)


def test_a_chain_of_bases_ends(tmp_path: Path) -> None:
    for number in range(1200):
        edits = f'base = "t{number + 1}.toml"\nedits = ["classes=10"]\n'
        (tmp_path / f"t{number}.toml").write_text(edits)
    with pytest.raises(InputError, match="base: a chain of more than 8 tables"):
        load_spec(tmp_path / "t0.toml")


def test_folders_by_the_file_in_them(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "none")):
        (tmp_path / name).mkdir()
        if name != "none":
            (tmp_path / name / "it").touch()
            os.utime(tmp_path / name / "it", (1000 - age, 1000 - age))
    (tmp_path / "shut").symlink_to("shut")
    (tmp_path / "file").touch()
    assert [folder.name for folder in holders(tmp_path, "it")] == ["new", "old", "shut"]
    assert entries(tmp_path / "nothing") == []
    with pytest.raises(InputError, match="File name too long"):
        entries(tmp_path / ("x" * 300))


def store(tmp_path: Path) -> tuple[Store, list[Path]]:
    shutil.copytree(SE, tmp_path / "runs")
    return Store(tmp_path / "runs"), sorted((tmp_path / "runs").glob("*/record.json"))


@pytest.mark.parametrize("as_user", [False, pytest.param(True, marks=pytest.mark.skipif(
    os.geteuid() != 0, reason="only root becomes another user"))])  # fmt: skip
def test_one_bad_run_hides_no_other(
    as_user: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, records = store(tmp_path)
    if as_user:  # who may not look into the folder, nor perhaps where Python's own modules lie
        assert main(["report", "se", "--runs", str(runs.root)]) == 0
        capsys.readouterr()
        for path in (tmp_path, *tmp_path.parents):
            if path.stat().st_uid == 0 and path.name.startswith(("pytest-", "popen-")):
                path.chmod(0o755)
        tmp_path.chmod(0o755)
        records[0].parent.chmod(0)
        os.seteuid(65534)
    else:
        records[0].write_text(re.sub(r'"top1": [0-9.]+', '"top1": 1e300', records[0].read_text()))
    try:
        codes = [main(["report", *what, "--runs", str(runs.root)]) for what in ([], ["se"])]
    finally:
        os.seteuid(0) if as_user else None
    assert codes == [0, 0]
    out, err = capsys.readouterr()
    name = records[0].parent.name
    assert err.count("\n") == err.count(f"warning: skipped: {records[0]}: ") in (1, 2)
    assert name in err
    assert out.count("seed") > 1


def test_too_many_seeds_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("0-10000000000", "1-" + "9" * 30, "0-9999,10000", "9" * 5000):
        with pytest.raises(SystemExit):
            main(["train", "fusenet", "--seeds", text])
        assert "at most 10,000 seeds" in capsys.readouterr().err
