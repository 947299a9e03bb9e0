"""The whole pipeline as an operator has it: real processes on real servers, to be killed at will."""

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest

from chaos.checker import violations
from chaos.evidence import collect
from chaos.findings import Evidence
from devservices.instance import ROOT
from devservices.kafka import KafkaServer
from devservices.ports import choose_free
from devservices.processes import ManagedProcess, spawn
from kits.web.tokens.verifier import issue_token
from tests.waiting import eventually, patient

STOCK = 100_000
PRODUCTS = 5
ARRIVAL_SECONDS = 120.0


@dataclass
class Pipeline:
    """Starts, kills and questions the processes; keeps what was answered 202."""

    directory: Path
    database_url: str
    kafka: KafkaServer
    ports: list[int] = field(default_factory=lambda: choose_free(4))
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    accepted: set[str] = field(default_factory=set)
    processes: dict[str, ManagedProcess] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of all processes, beside the usual ones."""
    more: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings of single processes, by their name here."""

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[3]}"

    @property
    def platform_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def environment(self) -> dict[str, str]:
        """What both processes read, with bounds as short as a test likes them."""
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "WORKER_DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "JWT_SECRET": self.secret,
            "API_PORT": str(self.ports[0]),
            "OPS_PORT": str(self.ports[3]),
            "API_SHUTDOWN_DELAY_SECONDS": "0",
            "WORKER_PORT": str(self.ports[1]),
            "DATA_PLATFORM_URL": self.platform_url,
            "OUTBOX_LEASE_SECONDS": "5",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
            "PYTHONWARNINGS": "default",
            **self.settings,
        }

    def start(self, name: str, *command: str) -> ManagedProcess:
        """Start `python -m <command>` under a name; its log goes on where it was."""
        process = spawn(
            name,
            [sys.executable, "-m", *command],
            log_path=self.directory / f"{name}.log",
            env=self.environment | self.more.get(name, {}),
            cwd=ROOT,
        )
        self.processes[name] = process
        return process

    async def run(self, *command: str) -> None:
        """Run a command to its end."""
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, cwd=ROOT, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(done.communicate(), patient(120))
        assert done.returncode == 0, output.decode()

    async def seed(self) -> None:
        """Fill the shop."""
        await self.run("app", "seed", "--products", str(PRODUCTS), "--stock", str(STOCK))

    async def start_api(self, *, crash: tuple[str, str] | None = None) -> None:
        """Start the API, deadly if told so, and wait until it answers."""
        api = self.start("api", *(("tests.e2e.crashing", *crash, "app") if crash else ("app",)))
        await self.answers(f"{self.ops_url}/readyz", api)

    def start_worker(self, *, crash: tuple[str, str] | None = None) -> None:
        """Start the worker, deadly if told so."""
        self.start("worker", *(("tests.e2e.crashing", *crash, "worker") if crash else ("worker",)))

    def start_frozen(self, name: str, crash: tuple[str, str]) -> ManagedProcess:
        """Start one more worker, which stops itself at a point (see tests.e2e.crashing)."""
        (port,) = choose_free()
        self.more[name] = {"WORKER_PORT": str(port)}
        return self.start(name, "tests.e2e.crashing", f"stop-{crash[0]}", crash[1], "worker")

    def is_stopped(self, name: str) -> bool:
        """Whether SIGSTOP holds it."""
        return bool(psutil.Process(self.processes[name].pid).status() == psutil.STATUS_STOPPED)

    async def start_platform(self) -> None:
        """Start the reference data platform and wait until it answers."""
        platform = self.start("platform", "devservices", "platform", "--port", str(self.ports[2]))
        await self.answers(f"{self.platform_url}/livez", platform)

    async def start_all(self) -> None:
        """Everything, seeded and ready for orders."""
        await self.seed()
        await self.start_platform()
        await self.start_api()
        self.start_worker()

    async def answers(self, url: str, process: ManagedProcess) -> None:
        """Wait until an address of this process answers 200."""
        async with aiohttp.ClientSession() as session:

            async def ok() -> bool:
                if not process.alive:
                    pytest.fail(f"{process.name} has ended:\n{process.last_lines()}")
                try:
                    async with session.get(url) as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await eventually(ok, poll_seconds=0.05)

    async def ended(self, name: str) -> None:
        """Wait for the end of a process."""
        await eventually(lambda: not self.processes[name].alive)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].kill()

    async def order(self, number: int, session: aiohttp.ClientSession) -> str | None:
        """Place an order for product `number`; its id if it was answered 202, None if nobody answered."""
        body: dict[str, Any] = {
            "items": [{"productId": f"p-{number % PRODUCTS + 1}", "quantity": 1 + number % 3}]
        }
        if number % 4 == 0:
            body["couponCode"] = "WELCOME10"
        token = issue_token(self.secret, f"c-{number % 7}", issuer="order-pipeline", audience="orders")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with session.post(f"{self.api_url}/orders", json=body, headers=headers) as answer:
                if answer.status != 202:
                    return None
                order_id = str((await answer.json())["orderId"])
        except (aiohttp.ClientError, TimeoutError):
            return None
        self.accepted.add(order_id)
        return order_id

    async def orders(self, count: int, *, pause_seconds: float = 0.0) -> list[str | None]:
        """Place so many orders one after the other."""
        timeout = aiohttp.ClientTimeout(total=patient(60))
        async with aiohttp.ClientSession(timeout=timeout) as session:
            placed = []
            for number in range(count):
                placed.append(await self.order(number, session))
                await asyncio.sleep(pause_seconds)
            return placed

    async def received(self) -> dict[str, Any]:
        """The platform's own summary."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.platform_url}/received") as answer:
            summary: dict[str, Any] = await answer.json()
            return summary

    async def faults(self, **switches: Any) -> None:
        """Tell the platform how to misbehave; nothing means well."""
        address = f"{self.platform_url}/faults"
        async with aiohttp.ClientSession() as session, session.post(address, json=switches) as answer:
            assert answer.status == 200, await answer.text()

    async def everything_arrived(self) -> None:
        """Wait until the platform has every accepted order."""

        async def all_orders_arrived() -> bool:
            received = int((await self.received())["orders"])
            assert received >= len(self.accepted), f"{received} of {len(self.accepted)} orders"
            return True

        try:
            await eventually(all_orders_arrived, within_seconds=ARRIVAL_SECONDS, poll_seconds=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def told(self, lines: int = 12) -> str:
        """What every process said last that is worth reading, for the message of a failure."""
        told = []
        for name, process in self.processes.items():
            state = "ended" if not process.alive else "stopped" if self.is_stopped(name) else "running"
            log = process.log_path.read_text(errors="replace").splitlines()
            kept = [line for line in log if '"level": "debug"' not in line][-lines:]
            told += [f"== {name}: {state}", *kept, f"   its last line: {log[-1] if log else ''}"]
        return "\n".join(told)

    async def evidence(self) -> Evidence:
        """All that is left."""
        return await collect(
            database_url=self.database_url,
            kafka_bootstrap_servers=self.kafka.bootstrap_servers,
            data_platform_url=self.platform_url,
            accepted=self.accepted,
            initial_stock={f"p-{number}": STOCK for number in range(1, PRODUCTS + 1)},
        )

    async def promises_are_kept(self) -> None:
        """Wait until the pipeline is at rest, then let the checker look at everything."""

        async def nothing_to_tell() -> bool:
            told = violations(await self.evidence())
            assert told == [], f"{len(told)} violations: {told[:5]}"
            return True

        # Write-backs and offsets trail the arrivals by moments: a violation that stays is a violation.
        await eventually(nothing_to_tell, poll_seconds=0.3)

    async def stop(self) -> None:
        """End what is left of the processes."""
        for process in reversed(self.processes.values()):
            process.kill()
