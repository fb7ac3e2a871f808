"""A PostgreSQL server of a test's own: an unprivileged user, a temporary folder, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.helpers.programs import find_program

PASSWORD = "s3cret/of@a:test"
USER = "ablater"


class Server:
    """A server in `folder`, which is reached by a socket there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # The server refuses to be root's.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = str(folder / "data")
        self._run("initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--no-sync",
                  "--pwfile", str(secret), "-E", "UTF8", "--locale", "C")  # fmt: skip
        self.start()

    @property
    def url(self) -> str:
        return (
            f"postgresql+psycopg://{USER}:{quote(PASSWORD, safe='')}@/postgres?host={self.folder}"
        )

    def _run(self, name: str, *arguments: str) -> None:
        command = [find_program(name) or name, *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self.folder)

    def start(self) -> None:
        command = [find_program("postgres") or "postgres", "-D", str(self.folder / "data"), "-F",
                   "-c", "listen_addresses=", "-k", str(self.folder)]  # fmt: skip
        self._process = subprocess.Popen(
            command, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(600):
            if self.answers():
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url.replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End it as its own restart does: every connection is cut."""
        if self._process:
            self._process.send_signal(2)  # SIGINT: "fast shutdown"
            self._process.wait(30)
            self._process = None


@contextmanager
def server() -> Iterator[Server]:
    """Run a server; its folder is short, for a socket's path may have about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    made: Server | None = None
    try:
        made = Server(folder)
        yield made
    finally:
        if made:
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
