"""An Apicurio Registry 3.3 of one's own, with what it keeps in a database of this instance's PostgreSQL."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from devservices import ports, state
from devservices.instance import CACHE
from devservices.java import JAVA, java_environment
from devservices.postgres import PostgresServer
from devservices.processes import find_by_argument, limit_log, spawn
from devservices.recorded_server import RecordedServer
from devservices.registry_files import program
from devservices.waiting import launch_twice_if_port_was_taken, until_ready

DATABASE = "schema_registry"
CONFLUENT = "/apis/ccompat/v7"
JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
)
READINESS_REQUEST = b"GET /health/ready HTTP/1.0\r\n\r\n"


class RegistryServer(RecordedServer):
    """Apicurio Registry on 127.0.0.1; `postgres` has to run while it does.

    The ports, one for its clients and one for its probes, are chosen at the first start and kept while they
    are free. Callers take turns (`devservices.locks`).
    """

    name = "registry"

    def __init__(self, directory: Path, postgres: PostgresServer, *, cache: Path = CACHE) -> None:
        self._directory = directory.absolute()
        super().__init__(self._directory / "server.json")
        self._postgres = postgres
        self._cache = cache
        self.log_path = self._directory / "server.log"

    @property
    def url(self) -> str:
        """Base of its Confluent interface, for clients."""
        return f"http://{ports.LOOPBACK}:{self.port}{CONFLUENT}"

    @property
    def exists(self) -> bool:
        """Whether this instance has had one."""
        return self._state_path.exists()

    def is_running(self) -> bool:
        """Whether it runs and can serve."""
        return self.process is not None and self._is_ready()

    def start(self, within_seconds: float = 90.0) -> bool:
        """Make sure that it runs; True when this call started it, False when it ran already.

        Raises:
            DownloadError: its files are not there yet and could not be fetched.
            ServerStartError: it ended while starting, or was not ready in time.
        """
        if self.is_running() and state.load(self._state_path).get("database") == self._postgres.port:
            return False
        self.stop()
        jar = program(self._cache)
        self._postgres.ensure_database(DATABASE)
        launch_twice_if_port_was_taken(self, lambda: self._launch(jar, within_seconds))
        return True

    def stop(self, within_seconds: float = 20.0) -> None:
        """Clean shutdown, SIGKILL after the bound. Keeps the data."""
        if (process := self.process) is not None:
            process.stop(within_seconds)
        for leftover in find_by_argument(mark_of(self._directory)):
            leftover.stop(10.0)

    def kill(self) -> None:
        """SIGKILL, as in a crash. Keeps the data."""
        if (process := self.process) is not None:
            process.kill()

    def delete(self) -> None:
        """Stop it and delete its logs, and its data while PostgreSQL runs."""
        self.stop(within_seconds=5.0)
        if self._postgres.is_running():
            self._postgres.drop_database(DATABASE)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _launch(self, jar: Path, within_seconds: float) -> None:
        temporary = self._directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        chosen = ports.keep_or_choose(state.load(self._state_path).get("ports", []), 2)
        environment = settings(chosen[0], chosen[1], self._postgres.url(DATABASE))
        limit_log(self.log_path)
        process = spawn(
            self.name,
            [
                JAVA,
                *JVM_OPTIONS,
                mark_of(self._directory),
                f"-Djava.io.tmpdir={temporary}",
                "-jar",
                os.path.relpath(jar, self._directory),
            ],
            log_path=self.log_path,
            env={**java_environment(), **environment},
            cwd=self._directory,
        )
        state.update(self._state_path, ports=chosen, process=process.as_state(), database=self._postgres.port)
        until_ready(process, self._is_ready, within_seconds=within_seconds)

    def _is_ready(self) -> bool:
        _, *probes = state.load(self._state_path).get("ports", [None])
        return any(b" 200 " in ports.exchange(port, READINESS_REQUEST, within_seconds=2.0) for port in probes)


def settings(port: int, probes_port: int, database_url: str) -> dict[str, str]:
    """What it reads from its environment: on loopback alone, and everything kept in this database."""
    database = urlsplit(database_url)
    return {
        "QUARKUS_HTTP_HOST": ports.LOOPBACK,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": ports.LOOPBACK,
        "QUARKUS_MANAGEMENT_PORT": str(probes_port),
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "postgresql",
        "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{database.hostname}:{database.port}{database.path}",
        "APICURIO_DATASOURCE_USERNAME": database.username or "",
        "APICURIO_DATASOURCE_PASSWORD": database.password or "",
    }


def mark_of(directory: Path) -> str:
    """The word of the command line by which the one of this folder is found again."""
    return f"-Ddevservices.registry={directory}"
