"""Conduit as an operator has it: processes on real servers, to be killed, frozen and started again."""

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from conduit.articles import container as articles
from conduit.articles.settings import ArticlesDatabaseSettings
from conduit.auth import container as auth
from conduit.auth.keys import write_keys
from conduit.auth.settings import AuthDatabaseSettings
from conduit.profiles import container as profiles
from conduit.profiles.settings import ProfilesDatabaseSettings
from devservices.instance import ROOT
from devservices.ports import LOOPBACK, choose_free
from devservices.processes import ManagedProcess, spawn
from kits.rpc_service.settings import FallbackDatabaseSettings
from kits.settings import Secret
from tests.waiting import eventually

STORING = ("auth", "profiles", "articles")
"""Those with tables; the names of roles are those of `python -m conduit ROLE`."""
ROLES = (*STORING, "gateway")
_POLL_SECONDS = 0.02


@dataclass
class ConduitProcesses:
    """A database without tables, and a broker on which no other conduit runs: the topics' names are fixed."""

    directory: Path
    """For keys and logs."""
    database_url: str
    kafka_servers: str
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of all processes, beside the usual ones."""
    more: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings of single processes, by role."""
    ports: list[int] = field(default_factory=lambda: choose_free(len(ROLES) + 1))
    processes: dict[str, ManagedProcess] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of the gateway: `/api/…` and `/graphql`."""
        return f"http://{LOOPBACK}:{self.ports[-1]}"

    def ops_url(self, role: str) -> str:
        """Where a process serves its probes and metrics."""
        return f"http://{LOOPBACK}:{self.ports[ROLES.index(role)]}"

    def log(self, role: str) -> str:
        """All that a process has logged."""
        path = self.directory / f"{role}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """What all of them read."""
        ops_ports = {
            f"CONDUIT_{role.upper()}_OPS_PORT": str(self.ports[place]) for place, role in enumerate(ROLES)
        }
        # Whoever is back under its name has its partitions at once, not after the session of the killed one.
        names = {f"CONDUIT_{role.upper()}_INSTANCE_ID": f"{role}-1" for role in STORING}
        return {
            **os.environ,
            **ops_ports,
            **names,
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_servers,
            "CONDUIT_AUTH_KEYS_FILE": str(self.directory / "keys" / "auth.json"),
            "CONDUIT_GATEWAY_KEYS_FILE": str(self.directory / "keys" / "gateway.json"),
            "CONDUIT_GATEWAY_PORT": str(self.ports[-1]),
            "CONDUIT_GATEWAY_SHUTDOWN_DELAY_SECONDS": "0",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
            **self.settings,
        }

    async def prepare(self) -> None:
        """Keys and tables, as the commands make them; a process for each of those would take seconds."""
        write_keys(self.directory / "keys")
        database = FallbackDatabaseSettings(url=Secret(self.database_url))
        for container in (
            auth.CommandContainer(settings=AuthDatabaseSettings(database=database)),
            profiles.CommandContainer(settings=ProfilesDatabaseSettings(database=database)),
            articles.CommandContainer(settings=ArticlesDatabaseSettings(database=database)),
        ):
            await container.history().migrate(container.engine())
            await container.engine().dispose()

    async def start(self, role: str) -> float:
        """Start a process, wait until it is ready; the seconds that took. Its log goes on where it was."""
        began = time.perf_counter()
        self.processes[role] = spawn(
            role,
            [sys.executable, "-m", "conduit", role],
            log_path=self.directory / f"{role}.log",
            env=self.environment | self.more.get(role, {}),
            cwd=ROOT,
        )
        await self.answers(role, status=200)
        return time.perf_counter() - began

    async def start_all(self) -> None:
        """Prepare, and start all of them side by side."""
        await self.prepare()
        await asyncio.gather(*map(self.start, ROLES))

    async def answers(self, role: str, *, status: int) -> None:
        """Wait until `/readyz` of a living process answers with this."""
        async with aiohttp.ClientSession() as session:

            async def answered() -> bool:
                if not self.processes[role].alive:
                    raise EndedError(f"{role} has ended:\n{self.told(role)}")
                try:
                    async with session.get(f"{self.ops_url(role)}/readyz") as answer:
                        return answer.status == status
                except aiohttp.ClientError:
                    return False

            await eventually(answered, poll_seconds=_POLL_SECONDS)

    def kill(self, role: str) -> None:
        """SIGKILL, frozen or not; returns when it is gone."""
        self.processes[role].send_signal(signal.SIGKILL)
        self.processes[role].kill()

    async def end(self, role: str) -> None:
        """SIGTERM, and wait until it has ended."""
        self.processes[role].send_signal(signal.SIGTERM)
        await eventually(lambda: not self.processes[role].alive)

    def freeze(self, role: str) -> None:
        """SIGSTOP: it lives and does nothing."""
        self.processes[role].send_signal(signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        """SIGCONT."""
        self.processes[role].send_signal(signal.SIGCONT)

    def told(self, role: str, lines: int = 15) -> str:
        """What a process said last that is worth reading, for the message of a failure."""
        kept = [line for line in self.log(role).splitlines() if '"level": "debug"' not in line]
        return "\n".join(kept[-lines:])

    def stop(self) -> None:
        """End what is left of them."""
        for process in reversed(self.processes.values()):
            process.kill()


class EndedError(Exception):
    """A process has ended by itself; the message has its last words."""
