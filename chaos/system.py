"""The system under test: real servers behind fault proxies, the product's processes, the data platform."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from chaos.clock import JumpingClocks
from chaos.disk import SmallDisk
from chaos.fleet import Fleet, Member
from chaos.goods import CATALOGUE
from chaos.guardian import MARK
from chaos.proxy import FaultProxy, Forecast
from devservices.errors import ServerStartError
from devservices.kafka import KafkaServer
from devservices.ports import LOOPBACK
from devservices.run.commands import run_command
from devservices.run.signals import StopRequest
from devservices.stack import Stack
from devservices.unprivileged import make_directory

PRODUCT_PROCESSES = ("api-1", "api-2", "worker-1", "worker-2")
PLATFORM = "platform"
_START_SECONDS = 90.0
_ISOLATED = (
    "DATABASE_URL", "WORKER_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_TOKEN",
    "ORDER_EVENTS_PARTITIONS",
)  # fmt: skip


class System:
    """Everything that a campaign breaks, and the hands that break and mend it."""

    def __init__(self, stack: Stack, logs: Path, *, order_ttl_seconds: int) -> None:
        self.postgres = stack.postgres
        self._kafka_home = stack.instance.directory / "kafka"
        self.kafka = KafkaServer(self._kafka_home)
        self.kafka_session_ms = 0
        self.directory = stack.instance.directory
        self.disk = SmallDisk(self.postgres.data.parent, os.getpid())
        self.clocks = JumpingClocks(self.directory)
        self.jwt_secret = secrets.token_hex(32)
        self._name = stack.instance.name
        self._logs = logs
        self._order_ttl_seconds = order_ttl_seconds
        self.proxies = {
            "postgres": FaultProxy(lambda: self.postgres.port),
            "kafka": FaultProxy(lambda: self.kafka.port),
            PLATFORM: FaultProxy(lambda: self.fleet.member(PLATFORM).port),
        }
        self.fleet = Fleet([], {}, logs)

    async def start(self, kafka_session_ms: int) -> None:
        """Servers, tables, goods, processes; returns when all processes said that they are ready.

        Raises:
            DevServicesError: in one sentence, what failed.
        """
        for proxy in self.proxies.values():
            await proxy.start()
        make_directory(self.postgres.data.parent)
        self.disk.mount()
        await asyncio.gather(asyncio.to_thread(self.postgres.start), self.start_kafka(kafka_session_ms))
        self.fleet = Fleet(self._members(), self._environment(), self._logs)
        await self._prepare()
        for name in (PLATFORM, *PRODUCT_PROCESSES):
            self.fleet.start(name)
        names = (PLATFORM, *PRODUCT_PROCESSES)
        ready = await asyncio.gather(
            *(self.fleet.ready(name, within_seconds=_START_SECONDS) for name in names)
        )
        if not all(ready):
            late = ", ".join(name for name, is_ready in zip(names, ready, strict=True) if not is_ready)
            raise ServerStartError(f"Not ready within {_START_SECONDS:.0f} s: {late}; read {self._logs}.")

    async def start_kafka(self, session_ms: int) -> None:
        """A broker that sends its clients to the proxy; another session length needs a new start."""
        advertised = self.proxies["kafka"].port
        self.kafka_session_ms = session_ms
        self.kafka = KafkaServer(self._kafka_home, session_timeout_ms=session_ms, advertised_port=advertised)
        await asyncio.to_thread(self.kafka.start)

    async def mend(self) -> None:
        """Fair weather, everything runs; what a fault that was cut short left is put right."""
        for proxy in self.proxies.values():
            proxy.change(Forecast())
        self.disk.free()
        if (broker := self.kafka.process) is not None:
            broker.send_signal(signal.SIGCONT)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in (self.postgres, self.kafka)))
        for name in (PLATFORM, *PRODUCT_PROCESSES):
            self.clocks.mend(name)
            self.fleet.resume(name)
            if not self.fleet.member(name).wanted:
                self.fleet.start(name)

    async def operate(self, *words: str) -> None:
        """Run one of the worker's commands to its end.

        Raises:
            CommandFailedError: it failed, or something is left to do.
        """
        await asyncio.to_thread(run_command, "worker", *words, env=self._environment(), stop=StopRequest())

    async def stop(self) -> None:
        """Close the proxies; the guardian ends the processes."""
        for proxy in self.proxies.values():
            await proxy.stop()

    @property
    def database_url(self) -> str:
        """The database itself, past the proxy."""
        return self.postgres.url()

    @property
    def platform_url(self) -> str:
        """The platform itself, past the proxy."""
        return self.fleet.member(PLATFORM).url

    @property
    def kafka_bootstrap_servers(self) -> str:
        """The broker; it sends its clients on to the proxy."""
        return self.kafka.bootstrap_servers

    def _members(self) -> list[Member]:
        journal = str(self.directory / "platform.journal.jsonl")
        command = ("devservices", "platform", "--journal", journal)
        members = [Member(PLATFORM, command, port_name="PLATFORM_PORT", probe="/livez")]
        for name in PRODUCT_PROCESSES:
            kind = "app" if name.startswith("api") else "worker"
            port_name, ops_name = ("API_PORT", "OPS_PORT") if kind == "app" else ("WORKER_PORT", "")
            environment = self.clocks.environment(name)
            members.append(Member(name, (kind,), port_name, "/readyz", environment, ops_name=ops_name))
        return members

    def _environment(self) -> Mapping[str, str]:
        url = urlsplit(self.postgres.url())
        netloc = f"{url.username}:{url.password}@{LOOPBACK}:{self.proxies['postgres'].port}"
        kept = {name: value for name, value in os.environ.items() if name not in _ISOLATED}
        return {
            **kept,
            MARK: self._name,
            "ENV_FILE": os.devnull,
            "MAX_OPEN_ORDERS": "0",
            "DATABASE_URL": url._replace(netloc=netloc).geturl(),
            "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.proxies['kafka'].port}",
            "DATA_PLATFORM_URL": f"http://{LOOPBACK}:{self.proxies[PLATFORM].port}",
            "JWT_SECRET": self.jwt_secret,
            "API_SHUTDOWN_DELAY_SECONDS": "0",
            "OUTBOX_LEASE_SECONDS": "5",
            "ORDER_TTL_SECONDS": str(self._order_ttl_seconds),
            "LOG_LEVEL": "info",
            "LOG_FORMAT": "json",
            "LOG_FILE": "",
        }

    async def _prepare(self) -> None:
        goods = self.directory / "catalogue.jsonl"
        goods.write_text("".join(json.dumps(line) + "\n" for line in CATALOGUE))
        environment = self._environment()
        for command in (
            ("app", "migrate"),
            ("worker", "migrate"),
            ("app", "catalogue", "import", str(goods)),
        ):
            await asyncio.to_thread(run_command, *command, env=environment, stop=StopRequest())
