"""A PostgreSQL 18 server of one's own: initialise, start, find again, stop."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devservices import ports, state
from devservices.errors import ServerStartError
from devservices.instance import CACHE
from devservices.postgres_package import program_directory
from devservices.processes import (
    find_by_argument,
    find_by_directory,
    limit_log,
    spawn,
)
from devservices.recorded_server import RecordedServer
from devservices.unprivileged import make_directory, reachable, server_account
from devservices.waiting import launch_twice_if_port_was_taken, until_ready

USER = "postgres"
DATABASE = "orders"
OPTIONS: Mapping[str, str] = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
INITDB_OPTIONS = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--no-instructions",
)


class PostgresServer(RecordedServer):
    """PostgreSQL on 127.0.0.1 with a random password and its data below `directory`.

    Without `fsync` a commit survives the death of every process, and not that of the machine: for data that
    are thrown away. The port is chosen at the first start and kept while it is free. Several objects, also
    in several processes, may stand for the same directory; callers take turns (`devservices.locks`).
    """

    name = "postgres"

    def __init__(self, directory: Path, *, fsync: bool = True, cache: Path = CACHE) -> None:
        self._directory = directory.absolute()
        super().__init__(self._directory / "server.json")
        self._account = server_account()
        self._place = reachable(self._directory / "cluster", self._account)
        self.data = self._place / "data"
        self._options = {**OPTIONS, "fsync": "on" if fsync else "off"}
        self._cache = cache
        self.log_path = self._directory / "server.log"

    def url(self, database: str = DATABASE) -> str:
        """`postgresql://` address of a database on this server, password included."""
        password = state.load(self._state_path).get("password", "")
        return f"postgresql://{USER}:{password}@{ports.LOOPBACK}:{self.port}/{database}"

    def is_running(self) -> bool:
        """Whether it runs and accepts connections."""
        return self.process is not None and self._accepts_connections()

    def start(self, within_seconds: float = 60.0) -> bool:
        """Make sure that it runs; True when this call started it, False when it ran already.

        Raises:
            ServerStartError: it ended while starting, or did not accept connections in time.
        """
        if self.is_running():
            return False
        self._end_leftovers()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        launch_twice_if_port_was_taken(self, lambda: self._launch(within_seconds))
        self.ensure_database(DATABASE)
        return True

    def stop(self, within_seconds: float = 20.0) -> None:
        """Fast shutdown: open transactions are rolled back; SIGKILL after the bound. Keeps the data."""
        process = self.process
        if process is not None:
            process.stop(within_seconds, signal.SIGINT)
        self._end_leftovers()

    def kill(self) -> None:
        """SIGKILL, as in a crash; its backends end by themselves. Keeps the data."""
        if (process := self.process) is not None:
            process.kill()

    def delete(self) -> None:
        """Stop it and delete its data, its log and its password."""
        self.stop(within_seconds=5.0)
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def ensure_database(self, name: str) -> None:
        """Make sure that the running server has this database."""
        self._run("createdb", *self._address(), name, accept="already exists")

    def drop_database(self, name: str) -> None:
        """Delete this database of the running server, even while it is in use."""
        self._run("dropdb", "--if-exists", "--force", *self._address(), name)

    def _initialise(self) -> None:
        make_directory(self._directory)
        make_directory(self._place)
        shutil.rmtree(self.data, ignore_errors=True)
        draft = self._place / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        os.chown(draft, self._account.uid, self._account.gid)
        password = secrets.token_urlsafe(24)
        password_file = self._place / "password"
        state.write_private(password_file, password)
        os.chown(password_file, self._account.uid, self._account.gid)
        try:
            self._run("initdb", "-D", draft, "-U", USER, f"--pwfile={password_file}", *INITDB_OPTIONS)
        finally:
            password_file.unlink()
        state.update(self._state_path, password=password)
        draft.rename(self.data)

    def _launch(self, within_seconds: float) -> None:
        remembered = state.load(self._state_path).get("ports", [])
        chosen = ports.keep_or_choose(remembered, 1)
        options = [word for key, value in self._options.items() for word in ("-c", f"{key}={value}")]
        limit_log(self.log_path)
        process = spawn(
            self.name,
            [self._program("postgres"), "-D", self.data, "-p", str(chosen[0]), *options],
            log_path=self.log_path,
            cwd=self._place,
            user=self._account.name,
            group=self._account.gid if self._account.name else None,
        )
        state.update(self._state_path, ports=chosen, process=process.as_state())
        until_ready(process, self._accepts_connections, within_seconds=within_seconds)

    def _address(self) -> list[str]:
        return ["-h", ports.LOOPBACK, "-p", str(self.port), "-U", USER, "--maintenance-db=postgres"]

    def _accepts_connections(self) -> bool:
        if self.port is None or ports.is_free(self.port):
            return False
        command = [self._program("pg_isready"), "-q", "-t", "2", "-h", ports.LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, check=False, timeout=60, cwd=self._cache.parent).returncode == 0

    def _end_leftovers(self) -> None:
        """End what a crash left on the data: a server nobody remembers, or backends without their server."""
        for process in find_by_argument(str(self.data)):
            process.stop(10.0, signal.SIGINT)
        for process in find_by_directory(self.data, "postgres"):
            process.stop(2.0)
        # Nothing works on the data any more, so the file names a process that is gone or somebody else's.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str | Path, accept: str = "") -> None:
        account = self._account
        done = subprocess.run(
            [self._program(program), *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self._place,
            env={**os.environ, "PGPASSWORD": state.load(self._state_path).get("password", "")},
            user=account.name,
            group=account.gid if account.name else None,
            extra_groups=[] if account.name else None,
        )
        if done.returncode != 0 and not (accept and accept in done.stderr):
            raise ServerStartError(
                f"{done.stderr}\nPostgreSQL's {program} failed: mend what it says above and try again."
            )

    def _program(self, name: str) -> str:
        return str(program_directory(self._cache, self._account) / name)
