"""Studies in a database: a server that restarts, one that stays away, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import optuna
import pytest
from optuna.storages import BaseStorage, get_storage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from fuseablate.commands.program import main
from fuseablate.errors import InputError
from fuseablate.io.escaping import masked
from fuseablate.runs.store import Store
from fuseablate.studies import remote
from fuseablate.studies.trials import Trials, open_storage, open_study
from tests.helpers.postgres import PASSWORD, Server, server
from tests.helpers.processes import wait_until
from tests.helpers.programs import Needs
from tests.helpers.study_process import exit_code, run_arguments, start, write_study


@pytest.fixture
def database(needs: Needs) -> Iterator[Server]:
    needs("initdb")
    with server() as running:
        yield running


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path, levels=1, seeds=[0, 1], epochs=4)


def trials_of(database: Server) -> list[tuple[str, TrialState]]:
    storage = open_storage(database.url, Path())
    (summary,) = storage.get_all_studies()
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    return [(trial.user_attrs["variant"], trial.state) for trial in trials]


def no_secret(*texts: str) -> None:
    for text in texts:
        for secret in (PASSWORD, unquote(PASSWORD), "s3cret", "s3cret%2Fof%40a%3Atest"):
            assert secret not in text


def check_no_secret_below(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in (".pt",):
            no_secret(path.read_text(errors="replace"))


def test_a_server_that_restarts_in_the_middle_costs_nothing(
    database: Server, study: Path, tmp_path: Path
) -> None:
    runs, output = tmp_path / "runs", tmp_path / "log"
    parent = start(*run_arguments(study, runs, 1), "--storage", database.url, output=output)
    try:
        assert wait_until(lambda: list(runs.glob("*/record.json")))
        database.stop()
        time.sleep(2)
        database.start()
        assert exit_code(parent) == 0, output.read_text()
    finally:
        parent.kill()
    text = output.read_text()
    assert "Traceback" not in text
    names = ["baseline", "se=changed"]
    assert trials_of(database) == [(name, TrialState.COMPLETE) for name in names]
    assert len(Store(runs).records()) == 4
    closing = " ".join(text.split())
    assert f"optuna-dashboard {masked(database.url)}" in closing
    assert ":***@" in closing
    assert "journal.log" not in closing
    no_secret(text)
    check_no_secret_below(runs)


def test_a_server_that_stays_away_ends_it_in_one_line_and_it_goes_on_later(
    database: Server,
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(remote, "WAITS", (0.1, 0.2))
    runs = tmp_path / "runs"
    command = [*run_arguments(study, runs, 1), "--storage", database.url]

    def gone() -> None:
        wait_until(lambda: list(runs.glob("*/record.json")))
        database.stop()

    thread = threading.Thread(target=gone)
    thread.start()
    assert main(command) == 2
    thread.join()
    said, error = capsys.readouterr()
    assert error.count("\n") == 1
    assert error.startswith(f"fuseablate: error: storage {masked(database.url)}: ")
    assert "gave up after 0 seconds; what is done is kept, and the same command" in error
    assert "trying again for" in said
    no_secret(said, error)

    database.start()
    done = {record.digest for record in Store(runs).records()}
    assert done
    assert main(command) == 0
    no_secret(*capsys.readouterr())
    assert len(trials_of(database)) == 2
    # Both runs may have ended before the first call that nobody answered.
    assert done <= {record.digest for record in Store(runs).records()}


class Unheard:
    """A storage that does what it is asked; then the connection breaks in place of an answer."""

    def __init__(self, storage: BaseStorage, names: set[str], server: Server) -> None:
        self.storage, self.names, self.server = storage, names, server

    def __getattr__(self, name: str) -> object:
        call = getattr(self.storage, name)
        if name not in self.names:
            return call

        def unheard(*args: object, **options: object) -> None:
            self.names.remove(name)
            call(*args, **options)
            self.server.stop()
            self.server.start()
            raise OperationalError("", None, OSError("the connection is lost"))

        return unheard


def test_a_call_whose_answer_was_lost_is_not_made_twice(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"create_new_trial", "set_trial_state_values"}
    monkeypatch.setattr(remote, "WAITS", (0.1, 0.2))
    monkeypatch.setattr(
        remote, "get_storage", lambda backend: Unheard(get_storage(backend), lost, database)
    )
    trials = Trials(open_study("mine", open_storage(database.url, Path())))
    trials.start("a", {}, {})
    trials.finish("a", TrialState.COMPLETE, [0.5], {})
    assert not lost
    assert trials_of(database) == [("a", TrialState.COMPLETE)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://u:s3cret@/x?host=/nowhere", "No such file or directory"),
        ("postgresql+psycopg://u:s3@cret@h.invalid/x", "failed to resolve host '***@h.invalid'"),
        ("postgresql+psycopg://u@/x?host=/nowhere&password=s3cret", "No such file or directory"),
        ("postgres//u:s3cret@h", "is not a URL of a database, such as postgresql+psycopg://USER@"),
        ("postgresql+psycopg:u:s3cret@h", "--storage: what it names is not a URL of a database"),
        ("oracle9://u:s3cret@h/x", "is not a URL of a database"),
        ("postgresql+psycopg://u:{s3cret}@/x?host=/nowhere", "No such file or directory"),
    ],
)
def test_a_storage_that_cannot_be_had_is_one_line_without_its_password(
    url: str, said: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*run_arguments(study, tmp_path, 1), "--storage", url]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    no_secret(error)
    assert "s3@cret" not in error


def test_a_wrong_password_is_one_line_at_once(database: Server) -> None:
    url = database.url.replace("s3cret", "wrong")
    began = time.monotonic()
    with pytest.raises(InputError, match='password authentication failed for user "ablater"') as at:
        open_storage(url, Path())
    assert time.monotonic() - began < 5
    assert "wrong" not in str(at.value)


def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    study: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None; from fuseablate.commands.program import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    url = "postgresql+psycopg://u:s3cret@h/x"
    arguments = [*run_arguments(study, tmp_path, 1), "--storage", url]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert (
        "needs psycopg, which is not installed: pip install 'fuseablate[postgresql]'" in done.stderr
    )
    no_secret(done.stderr)


def test_an_unknown_flag_does_not_say_the_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "run", "x.toml", "--stroage", "postgresql://u:s3cret@h/x"])
    error = capsys.readouterr().err
    assert "u:***@h/x" in error
    no_secret(error)
