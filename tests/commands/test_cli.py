"""Bad input on the command line: one line on stderr, exit code 2, nothing printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuseablate import __version__
from fuseablate.commands.program import main
from tests.helpers.paths import REPOSITORY

GOOD = (
    "input = 32\nclasses = 10\n"
    '[[rows]]\nop = "conv"\nkernel = 3\nout = 8\nnl = "relu"\nstride = 2\n'
    '[[rows]]\nop = "pool"\n[[rows]]\nop = "conv"\nkernel = 1\nout = "classes"\n'
)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says on stderr; the rest of the promise is checked here."""
    try:
        code = main(words)
    except SystemExit as exit:  # argparse leaves this way
        code = int(exit.code or 0)
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert "error: " in err
    return str(err)


@pytest.mark.parametrize("command", ["show", "cost"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("fuse.op=fusee", "edit 'fuse.op=fusee': unknown value 'fusee'; did you mean 'fuse'?"),
        ("fuse.kernl=3", "unknown field 'kernl'; did you mean 'kernel'?"),
        ("fuse.nl=hswsh", "unknown value 'hswsh'; did you mean 'hswish'?"),
        (
            "6.kernel=4",
            "row 6: kernel 4 is even, and with stride 1 the map must keep its size; use",
        ),
        ("fuse.exp=0", "0 is too small; it must be at least 1"),
        ("fuse.exp=-16", "-16 is too small"),
        ("1.stride=225", "use a stride of at most 224"),
        ("fuse.kernel=x2", "kernel cannot be scaled"),
        ("17.kernel=3", "'17' selects no row; rows go from 1 to 16"),
        ("14.op=conv", "row 14: op 'conv' needs a value for 'kernel'"),
        ("6.variant=half 6.exp=41", "41 is odd; use 42"),
        ("classes=0", "0 is too small; it must be at least 2"),
        ("fuse.kernel", "is not of the form ROWS.FIELD=VALUE"),
        ("", "is not of the form ROWS.FIELD=VALUE"),
        ("all.se=false all.se=false", "equally wide"),
    ],
)
def test_bad_edits(
    command: str, edit: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, command, "fusenet", "--set", edit)


@pytest.mark.parametrize("command", ["show", "cost"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('op = "pool"', 'op = "pol"', "row 2: unknown op 'pol'; did you mean 'pool'?"),
        ('nl = "relu"', 'nll = "relu"', "row 1: unknown field of op 'conv' 'nll'"),
        ('nl = "relu"', 'nl = "rel"', "row 1: nl: unknown value 'rel'; did you mean 'relu'?"),
        ("kernel = 3\n", "", "row 1: op 'conv' needs a value for 'kernel'"),
        ("out = 8", "out = 0", "row 1: out: 0 is too small"),
        ("stride = 2", "stride = 33", "row 1: kernel 3 with stride 33 leaves nothing"),
        ("stride = 2", "stride = 2 2", "not valid TOML"),
        ("classes = 10", 'classes = 10\nname = "a\\nb"\nclasess = 3', "unknown key 'clasess'"),
        ("kernel = 3", "kernel = 4\nstride = 1", "not valid TOML"),  # stride is set twice
        ("stride = 2", "stride = 1\nse = true\nse_reduction = 9", "use a reduction of at most 8"),
    ],
)
def test_bad_files(
    command: str,
    old: str,
    new: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert GOOD.count(old) == 1
    path = tmp_path / "net.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    err = refused(capsys, command, str(path))
    assert str(path) in err
    assert message in err
    path.write_text(GOOD, encoding="utf-8")
    assert main([command, str(path)]) == 0
    capsys.readouterr()


def test_files_and_specs_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nothing.toml"
    assert f"{path}: cannot be read" in refused(capsys, "show", str(path))
    assert "unknown spec 'fusnet'; did you mean 'fusenet'?" in refused(capsys, "show", "fusnet")
    assert f"{path}: cannot be read" in refused(capsys, "cost", "fusenet", str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["0", "-32", "32x", "x", "32x0", "a", "1e3", "32.5", "100000", ""])
@pytest.mark.parametrize("command", ["show", "cost"])
def test_bad_sizes(command: str, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    err = refused(capsys, command, "fusenet", f"--input={size}")
    assert "--input" in err
    assert f"'{size}' is not a size" in err


def test_a_size_that_the_network_cannot_take(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("fusenet", "--set", "5.stride=6", "--input", "32")
    assert "row 5: kernel 1 with stride 6 leaves nothing of a 4x4 map" in refused(
        capsys, "show", *words
    )
    refused(capsys, "cost", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("shwo",),
        ("show",),
        ("show", "fusenet", "--jsn"),
        ("cost",),
        ("cost", "fusenet", "--set"),
        ("show", "fusenet", "--json", "--toml"),
    ],
)
def test_bad_words(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "--help" in refused(capsys, *words)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["show", "--help"], ["cost", "--help"]):
        with pytest.raises(SystemExit) as exit:
            main(words)
        assert exit.value.code == 0
        assert "usage: fuseablate" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"fuseablate {__version__}\n"


def test_python_m_gives_the_exit_code() -> None:
    command = [sys.executable, "-m", "fuseablate", "show", "fusnet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("fuseablate: error: ")
    assert done.stderr.count("\n") == 1


def test_threads_do_not_spin_for_long_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert main(["cost", "fusenet"]) == 0
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert main(["cost", "fusenet"]) == 0
    assert os.environ["GOMP_SPINCOUNT"] == "3000"


@pytest.mark.parametrize("words", [("show", "fusenet"), ("cost", "fusenet", "--json")])
def test_a_reader_that_leaves_is_no_error(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fuseablate", *words]
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("cost", "fusenet", "--set", "all.se=false", "--iso", "macs"), "all.se=false"),
        (
            ("explore", "fusenet", "--space", "studies/search.toml", "--samples", "50"),
            "fuse.residual=true",
        ),
        (("study", "run", "quickstart", "--dry-run"), "baseline  "),
    ],
)
def test_tables_of_40_columns_are_not_cut(
    words: tuple[str, ...],
    seen: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.chdir(REPOSITORY)
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert seen in out
