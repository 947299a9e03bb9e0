"""The fleet: the product's processes and the data platform, killed, paused and started again."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from devservices import ports
from devservices.instance import ROOT
from devservices.processes import ManagedProcess, spawn

_WATCH_SECONDS = 0.2
_READY_SECONDS = 15.0
_TERM_SECONDS = 40.0


@dataclass(slots=True)
class Member:
    """One process and how it is started; `wanted` says whether it should run now."""

    name: str
    command: tuple[str, ...]
    port_name: str
    probe: str
    environment: Mapping[str, str] = field(default_factory=dict)
    ops_name: str = ""
    """The variable of a port of its own for probes, if it has one."""
    port: int = 0
    ops_port: int = 0
    wanted: bool = False
    process: ManagedProcess | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    @property
    def probe_url(self) -> str:
        """Where it says whether it is ready."""
        return f"http://{ports.LOOPBACK}:{self.ops_port if self.ops_name else self.port}{self.probe}"

    def choose_ports(self) -> dict[str, str]:
        """Its ports as it reads them: those that it had, if they are free."""
        had = [port for port in (self.port, self.ops_port) if port]
        self.port, self.ops_port = ports.keep_or_choose(had, 2)
        names = {self.port_name: str(self.port)}
        return names | {self.ops_name: str(self.ops_port)} if self.ops_name else names


class Fleet:
    """Starts, kills, pauses and watches the members; one that ends by itself is started again and counted."""

    def __init__(self, members: list[Member], environment: Mapping[str, str], logs: Path) -> None:
        self._members = {member.name: member for member in members}
        self._environment = environment
        self._logs = logs
        self.starts: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        """Ends that nobody asked for: `worker-1 (exit code 3)`."""

    def member(self, name: str) -> Member:
        """By name. Raises KeyError for a name that is not here."""
        return self._members[name]

    def urls(self, prefix: str) -> list[str]:
        """Where the members of one kind serve, whether or not they run."""
        return [member.url for name, member in self._members.items() if name.startswith(prefix)]

    def start(self, name: str) -> None:
        """Start it, on its port if that is free."""
        member = self._members[name]
        member.wanted = True
        member.process = spawn(
            name,
            [sys.executable, "-m", *member.command],
            log_path=self._logs / f"{name}.log",
            env={**self._environment, **member.environment, **member.choose_ports()},
            cwd=ROOT,
        )
        self.starts[name] += 1

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        member = self._members[name]
        member.wanted = False
        if member.process is not None:
            await asyncio.to_thread(member.process.kill)

    async def stop(self, name: str) -> None:
        """SIGTERM, and wait for its end; SIGKILL after 40 s."""
        member = self._members[name]
        member.wanted = False
        if member.process is not None:
            await asyncio.to_thread(member.process.stop, _TERM_SECONDS)

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> None:
        process = self._members[name].process
        if process is not None:
            process.send_signal(number)

    async def ready(self, name: str, *, within_seconds: float = _READY_SECONDS) -> bool:
        """Wait until it says that it is ready; False after the bound, for another fault may be in its way."""
        member = self._members[name]
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + within_seconds
        async with aiohttp.ClientSession() as session:
            while loop.time() < give_up_at:
                if await self._answers(session, member):
                    return True
                await asyncio.sleep(_WATCH_SECONDS)
        return False

    async def _answers(self, session: aiohttp.ClientSession, member: Member) -> bool:
        try:
            async with session.get(member.probe_url, timeout=aiohttp.ClientTimeout(5)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def watch(self) -> None:
        """Start again what ended by itself, as an orchestrator does, until cancelled."""
        while True:
            for member in self._members.values():
                process = member.process
                if member.wanted and process is not None and not process.alive:
                    self.ended[f"{member.name} (exit code {process.exit_code})"] += 1
                    self.start(member.name)
            await asyncio.sleep(_WATCH_SECONDS)
