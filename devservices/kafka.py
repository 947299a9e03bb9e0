"""An Apache Kafka 4.3 broker of one's own: format, start, find again, stop."""

import os
import shutil
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from devservices import kafka_archive, ports, state
from devservices.errors import ServerStartError
from devservices.instance import CACHE
from devservices.java import JAVA, java_environment
from devservices.kafka_config import DATA, JVM_OPTIONS, LOG4J, LOG4J_FILE, as_properties, server_properties
from devservices.kafka_files import class_path
from devservices.kafka_security import BrokerSecurity, listener_names
from devservices.processes import find_by_argument, spawn
from devservices.recorded_server import RecordedServer
from devservices.waiting import launch_twice_if_port_was_taken, until_ready

BROKER = "kafka.Kafka"
# ApiVersions, version 0: the one request that every broker answers, without knowing its version.
API_VERSIONS_REQUEST = struct.pack(">ihhih", 10, 18, 0, 1, -1)


class KafkaServer(RecordedServer):
    """One broker on 127.0.0.1 with its data below `directory`.

    `session_timeout_ms` is how long the controller waits for a silent broker: short makes a restart after a
    crash quick (3 s); a test that pauses the broker needs a long one (60,000), or the broker is fenced.
    With `security` it has secured listeners beside the plain one.
    `java_options` are the broker's instead of those that take its classes from `devservices.kafka_archive`.
    `advertised_port` is the port that clients are told, when something stands between them and the broker.
    The ports are chosen at the first start and kept while they are free.
    Callers take turns (`devservices.locks`).
    """

    name = "kafka"

    def __init__(
        self,
        directory: Path,
        *,
        session_timeout_ms: int = 2_000,
        security: BrokerSecurity | None = None,
        advertised_port: int | None = None,
        cache: Path = CACHE,
        java_options: Sequence[str] | None = None,
    ) -> None:
        self._directory = directory.absolute()
        super().__init__(self._directory / "server.json")
        self._properties = self._directory / "server.properties"
        self._data = self._directory / DATA
        self._session_timeout_ms = session_timeout_ms
        self._security = security
        self._listeners = listener_names(security)
        self._advertised_port = advertised_port
        self._cache = cache
        self._java_options = java_options
        self.log_path = self._directory / "server.log"

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients."""
        return f"{ports.LOOPBACK}:{self.port}"

    def address_of(self, protocol: str) -> str:
        """`host:port` of the listener with this security protocol."""
        return f"{ports.LOOPBACK}:{state.load(self._state_path)['ports'][self._listeners.index(protocol)]}"

    def is_running(self) -> bool:
        """Whether it runs and answers requests."""
        return self.process is not None and self._answers()

    def start(self, within_seconds: float = 60.0) -> bool:
        """Make sure that it runs; True when this call started it, False when it ran already.

        Raises:
            DownloadError: Kafka's files are not there yet and could not be fetched.
            ServerStartError: it ended while starting, or did not answer in time.
        """
        if self.is_running():
            return False
        self._end_leftovers()
        self._configure()
        if not (self._data / "meta.properties").exists():
            self._format()
        launch_twice_if_port_was_taken(self, lambda: self._launch(within_seconds))
        return True

    def stop(self, within_seconds: float = 20.0) -> None:
        """Clean shutdown, SIGKILL after the bound. Keeps the data."""
        if (process := self.process) is not None:
            process.stop(within_seconds)
        self._end_leftovers()

    def kill(self) -> None:
        """SIGKILL, as in a crash. Keeps the data."""
        if (process := self.process) is not None:
            process.kill()

    def delete(self) -> None:
        """Stop it and delete its data and logs."""
        self.stop(within_seconds=5.0)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _configure(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        *doors, controller = chosen = ports.keep_or_choose(
            state.load(self._state_path).get("ports", []), len(self._listeners) + 1
        )
        listeners = dict(zip(self._listeners, doors, strict=True))
        settings = server_properties(listeners, controller, self._session_timeout_ms, self._advertised_port)
        secured = self._security.properties() if self._security is not None else {}
        self._properties.write_text(as_properties({**settings, **secured}), encoding="ascii")
        (self._directory / LOG4J_FILE).write_text(LOG4J, encoding="ascii")
        state.update(self._state_path, ports=chosen)

    def _format(self) -> None:
        """Give the data directory its cluster id; one that a crash left half-made is made anew."""
        shutil.rmtree(self._data, ignore_errors=True)
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        users = self._security.format_arguments() if self._security is not None else []
        arguments: tuple[str, ...] = (
            "format",
            f"--cluster-id={cluster_id}",
            "-c",
            self._properties.name,
            *users,
        )
        command = self._java("kafka.tools.StorageTool", *arguments)
        done = subprocess.run(
            command, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=60,
            env=java_environment(), cwd=self._directory,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerStartError(
                f"{done.stdout}{done.stderr}\nKafka's data folder {self._data} could not be prepared:"
                " mend what it says above and try again."
            )

    def _launch(self, within_seconds: float) -> None:
        self._configure()
        command = self._java(BROKER, self._properties.name)
        process = spawn(
            self.name, command, log_path=self.log_path, env=java_environment(), cwd=self._directory
        )
        state.update(self._state_path, process=process.as_state())
        until_ready(process, self._answers, within_seconds=within_seconds)

    def _answers(self) -> bool:
        port = self.port
        return port is not None and bool(ports.exchange(port, API_VERSIONS_REQUEST, within_seconds=2.0))

    def _end_leftovers(self) -> None:
        """End a broker on these data that nobody remembers."""
        for process in find_by_argument(mark_of(self._directory)):
            process.stop(10.0)

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        # Relative to the working directory: Kafka, log4j and Java each read paths in a language of their own.
        files = os.pathsep.join(os.path.relpath(path, self._directory) for path in class_path(self._cache))
        log4j = f"-Dlog4j2.configurationFile={LOG4J_FILE}"
        mark = mark_of(self._directory)
        quick = kafka_archive.using(self._cache, self._directory)
        more = self._java_options if main_class == BROKER and self._java_options is not None else quick
        return [str(JAVA), *JVM_OPTIONS, *more, mark, log4j, "-cp", files, main_class, *arguments]


def mark_of(directory: Path) -> str:
    """The word of the command line by which a broker on these data is found again."""
    return f"-Ddevservices.kafka={directory}"
