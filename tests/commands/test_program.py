"""The program as a whole: its help, hints at what was mistyped, completion."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fuseablate.commands.examples import EXAMPLES
from fuseablate.commands.program import main, parser
from tests.helpers.paths import REPOSITORY


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: fuseablate")
    assert "quickstart" in out


def test_each_help_ends_with_an_example_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """All commands are among them, by the list in the program's own help."""
    listing = helped(capsys).partition("COMMAND\n")[2].partition("\n\n")[0]
    listed = {line.split()[0] for line in listing.splitlines() if line[4:5].strip()}
    assert {name.split()[1] for name in EXAMPLES if " " in name} == listed
    program = parser()
    for name, example in EXAMPLES.items():
        text = " ".join(helped(capsys, *name.split()[1:]).split())
        assert text.endswith(f"example: {example}"), name
        if example.startswith("fuseablate"):
            program.parse_args(shlex.split(example.partition(" >")[0])[1:])


MISTYPED = [
    (["shwo"], "did you mean 'show'?"),
    (["study", "rnu"], "did you mean 'run'?"),
    (["show", "fusenet", "--inptu", "3"], "did you mean '--input'?"),
    (["study", "run", "se", "--dryrun"], "did you mean '--dry-run'?"),
    (["report", "--format", "htlm"], "did you mean 'html'?"),
]


@pytest.mark.parametrize(("words", "hint"), MISTYPED)
def test_what_is_mistyped_is_hinted_at(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert hint in err
    assert err.count("\n") == 1


COMPLETED = [
    ("fuseablate sh", {"show"}),
    ("fuseablate show fusenet_", {"fusenet_half", "fusenet_kxk"}),
    ("fuseablate study run se-", {"se-form", "se-iso", "se-per-row"}),
    ("fuseablate cost fusenet --inp", {"--input"}),
]


@pytest.mark.parametrize(
    ("line", "behind"),
    [
        ("--plugin examples/mixconv.py show fusenet", "fuseablate show ... --plugin"),
        ("--plugin=examples/mixconv.py runs list", "fuseablate runs list ... --plugin"),
        ("-q study run se", "fuseablate study run ... -q"),
        ("study --quiet run se", "fuseablate study run ... --quiet"),
        ("--data runs train fusenet", "fuseablate train ... --data"),
        ("--set all.se=false", "fuseablate COMMAND ... --set"),
        ("runs --runs elsewhere", "fuseablate runs ACTION ... --runs"),
    ],
)
def test_a_flag_before_its_command_is_told_its_place(
    line: str, behind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    (said,) = capsys.readouterr().err.splitlines()
    assert f"a flag stands behind its command, as in {behind} (see " in said


@pytest.mark.parametrize("word", ["--plugn", "-V"])
def test_a_flag_of_no_command_is_refused_as_itself(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([word, "mine.py", "show"])
    assert f"unrecognized arguments: {word} (see" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "words"), COMPLETED)
def test_a_shell_is_told_what_may_come_next(line: str, words: set[str], tmp_path: Path) -> None:
    """As shells without a spare stream ask: by the environment, and the answer in a file."""
    answer = tmp_path / "answer"
    shell = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-m", "fuseablate"]
    subprocess.run(command, env={**os.environ, **shell}, cwd=REPOSITORY, check=True)
    text = answer.read_text(encoding="utf-8")
    assert {word.strip() for word in text.split("\n") if word.strip()} == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_for_a_shell_names_the_program(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert "fuseablate" in capsys.readouterr().out
