"""An Optuna storage behind a URL: a server may restart in the middle of a study. Without torch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, unquote_plus

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from fuseablate.errors import InputError
from fuseablate.io.escaping import SECRET, masked, plain

WAITS = (0.5, 1, 2, 4, 8, 15, 30, 60)  # seconds between tries, two minutes in all
POSTGRESQL_EXTRA = "pip install 'fuseablate[postgresql]'"
USUAL_URL = "postgresql+psycopg://USER@HOST/DATABASE"


def open_remote(url: str, say: Callable[[str], None]) -> BaseStorage:
    """Return the storage of a URL; an `InputError` says why it cannot be opened, no password.

    `say` is told where its server is waited for.
    """
    if "//" not in url or url.split() != [url]:  # nobody knows which part of it is secret
        raise InputError(
            f"--storage: what it names is not a URL of a database, such as {USUAL_URL}"
        )
    where = f"--storage {masked(url)}"
    try:
        # Optuna takes the URL for a format. A connection is made for each call: there are few,
        # and none is left over that a restart has cut.
        template = url.replace("{", "{{").replace("}", "}}")
        backend = RDBStorage(template, engine_kwargs={"poolclass": NullPool})
    except ImportError as error:
        name = getattr(error.__cause__, "name", None) or "its driver"
        hint = f": {POSTGRESQL_EXTRA}, and write {USUAL_URL}" if url.startswith("postgres") else ""
        raise InputError(f"{where}: needs {name}, which is not installed{hint}") from None
    except ArgumentError:  # no URL, or no kind of database that SQLAlchemy knows
        raise InputError(f"{where}: is not a URL of a database, such as {USUAL_URL}") from None
    except Exception as error:  # whatever the driver and Optuna's look at the tables trip over
        raise InputError(f"{where}: {reason(error, url)}") from None
    remote: BaseStorage = Remote(backend, url, say)
    return remote


def reason(error: BaseException, url: str) -> str:
    """Return in one line what went wrong, without the secrets of a URL."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
    for secret in sorted(secrets(url), key=len, reverse=True):
        text = text.replace(secret, "***")
    return plain(text[:300])


def secrets(url: str) -> set[str]:
    """Return the passwords of a URL, as they are written and as they are meant.

    A password with a character that should have been written as %40 or the like is cut by who
    reads the URL: its parts are secrets, too.
    """
    written = {text for match in SECRET.finditer(url) for text in match.groups() if text}
    written |= {part for text in written for part in re.split("[@:/?#&]", text)}
    meant = {decode(text) for text in written for decode in (unquote, unquote_plus)}
    return (written | meant) - {""}


class Patience:
    """Calls a storage again where its server is gone for a while.

    After the last wait of `WAITS` an InputError says so. A call may be made twice: the server may
    have done what was asked just before its connection broke, which the methods `_<name>_again`
    look for where it matters.
    """

    def __init__(self, backend: RDBStorage, url: str, say: Callable[[str], None]) -> None:
        self._backend = get_storage(backend)  # with Optuna's cache
        self._url, self._say = url, say

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        call, again = getattr(self._backend, name), getattr(self, f"_{name}_again", None)
        for wait in (*WAITS, None):
            try:
                return call(*args, **options)
            except Exception as error:
                if not _is_lost(error):
                    raise
                where = f"storage {masked(self._url)}: {reason(error, self._url)}"
                if wait is None:
                    raise InputError(
                        f"{where}; gave up after {sum(WAITS):.0f} seconds; what is done is kept, "
                        "and the same command goes on from there"
                    ) from None
                if wait == WAITS[0]:
                    self._say(f"{where}; trying again for {sum(WAITS):.0f} seconds")
                time.sleep(wait)
                call = again or call
        raise AssertionError

    def _create_new_trial_again(self, study_id: int, template_trial: Any = None) -> int:
        """Return the trial where it was made by a call whose answer was lost, or make it."""
        for trial in self._backend.get_all_trials(study_id, deepcopy=False):
            if template_trial and trial.user_attrs == template_trial.user_attrs:
                return trial._trial_id
        return self._backend.create_new_trial(study_id, template_trial)

    def _set_trial_state_values_again(self, trial_id: int, state: Any, values: Any = None) -> bool:
        """Set them, unless a call whose answer was lost has done so."""
        try:
            return self._backend.set_trial_state_values(trial_id, state, values)
        except UpdateFinishedTrialError:
            return True


def _delegated() -> Iterator[tuple[str, Any]]:
    """Yield each method of a storage, as one that calls the backend's."""

    def method(name: str) -> Callable[..., Any]:
        return lambda self, *args, **options: self._call(name, *args, **options)

    for name in dir(BaseStorage):
        if not name.startswith("_"):
            yield name, method(name)


Remote: Any = type("Remote", (Patience, BaseStorage), dict(_delegated()))


def _is_lost(error: BaseException | None) -> bool:
    """Whether an error says that there is no connection, or none any more."""
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError):
            return True
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False
