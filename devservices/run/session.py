"""One run from start to end: servers, tables, processes, orders and their journey, and all stopped again."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devservices import leftovers
from devservices.environment import reachable
from devservices.errors import DevServicesError, JourneyError
from devservices.instance import Instance
from devservices.locks import exclusive
from devservices.run.arrival_check import arrivals_of, arrived_in_order, is_delivered, steps_of
from devservices.run.children import Children
from devservices.run.commands import make_folder, run_command
from devservices.run.configuration import (
    has_own_platform,
    jwt_secret,
    platform_url,
    process_environment,
    require_free_ports,
    run_ports,
)
from devservices.run.http import call
from devservices.run.journey import Step, read_steps, render
from devservices.run.neighbours import ENGINE_PYTHON, Neighbours
from devservices.run.orders import PlacedOrder, place_orders
from devservices.run.signals import StopRequest, StopRequestedError
from devservices.run.welcome import welcome
from devservices.stack import Addresses, Server, Stack

READY_SECONDS = 60.0
ARRIVAL_SECONDS = 60.0
LAST_LINES_SECONDS = 5.0
WATCH_SECONDS = 0.5
CUSTOMER = "demo-customer"
DATA_PLATFORM_GROUP = "data-platform"


class AlreadyRunningError(DevServicesError):
    """Another run looks after this instance."""

    code = "already_running"


class Session:
    """`python -m devservices run`. Starts what does not run, and stops exactly what it started."""

    def __init__(
        self, instance: Instance, environ: Mapping[str, str] = os.environ, *, besides: Sequence[str] = ()
    ) -> None:
        """Args: besides: names of neighbours to start too (see devservices.run.offered)."""
        self._instance = instance
        self._environ = environ
        self._neighbours = Neighbours(besides, environ, instance)
        self._stack = Stack(instance, environ, besides=self._neighbours.servers)
        self._ports = run_ports(environ)
        self._own_platform = has_own_platform(environ, self._ports)
        self._stop = StopRequest()
        self._children = Children(instance, self._stop)
        self._started_servers: list[Server] = []
        self._addresses = Addresses("", "")
        self._token = ""

    def run(self, *, until_arrived: bool) -> int:
        """Run to the end; 0 when the orders arrived (`until_arrived`) or when the end was asked for.

        Raises:
            DevServicesError: in one sentence, what failed; everything was stopped first.
        """
        with self._stop.listening():
            self._begin()
            try:
                orders = self._start_and_place()
                arrived = self._follow(orders)
                self._introduce()
                if not until_arrived:
                    self._serve(orders)
            except StopRequestedError:
                return 1 if until_arrived else 0
            finally:
                self._end()
        if not arrived:
            raise JourneyError(
                f"Not all orders arrived in order within {ARRIVAL_SECONDS:.0f} s:"
                f" read the logs in {self._instance.logs}."
            )
        return 0

    def _begin(self) -> None:
        with exclusive(self._instance.lock):
            if (other := leftovers.active_run(self._instance)) is not None:
                raise AlreadyRunningError(
                    f"A run is active already (process {other.pid}): use it, or end it with `make down`."
                )
            for name in leftovers.end_orphans(self._instance):
                say(f"ended a {name} that an earlier run had left")
            require_free_ports(self._ports, own_platform=self._own_platform, besides=self._neighbours.ports)
            leftovers.remember(self._instance, [])
            self._instance.logs.mkdir(parents=True, exist_ok=True)

    def _start_and_place(self) -> list[PlacedOrder]:
        self._stack.up(self._started_servers.append)
        self._stop.check()
        self._addresses = self._stack.addresses()
        say("PostgreSQL and Kafka are up")
        for name in self._neighbours.servers:
            self._neighbours.found(name, self._addresses.schema_registry_url)
            say(f"the {name} is up")
        self._prepare()
        say("the tables and the demo products are in place")
        self._start_processes()
        self._wait_until_ready()
        return place_orders(self._api_url, self._token)

    def _prepare(self) -> None:
        """Chains of commands side by side, since each of them is mostly the start of a Python."""
        chains: list[list[list[str]]] = [
            [["app", "migrate"], ["app", "seed"]],
            [["worker", "migrate"], ["app", "token", "--sub", CUSTOMER, *self._neighbours.scopes]],
            *([[*part.words, "migrate"]] for part in self._neighbours.parts if part.migrates),
        ]
        jwt_secret(self._instance, self._environ)  # made here, once, before two threads need it
        with ThreadPoolExecutor(len(chains)) as pool:
            _, token, *_ = pool.map(self._run_chain, chains)
        self._token = token.strip()
        for folder, command in self._neighbours.keys_to_make.items():
            make_folder(folder, *command, env=self._env("prepare"), stop=self._stop)
        for command in self._neighbours.prepares:
            run_command(*command, env=self._env("prepare"), stop=self._stop)

    def _run_chain(self, commands: list[list[str]]) -> str:
        output = ""
        for command in commands:
            environment = self._env(f"prepare-{command[0]}")
            output = run_command(*command, env=environment, stop=self._stop)
        return output

    def _start_processes(self) -> None:
        if self._own_platform:
            journal = str(self._instance.directory / "platform.journal.jsonl")
            self._children.start(
                "platform", "devservices", "platform", "--journal", journal, env=self._env("platform")
            )
        for part in self._neighbours.parts:
            python = ENGINE_PYTHON if part.engine else sys.executable
            self._children.start(part.name, *part.words, env=self._env(part.name), python=python)
        self._children.start("api", "app", env=self._env("api"))
        groups = [DATA_PLATFORM_GROUP, *self._neighbours.groups] if self._neighbours.groups else []
        self._children.start("worker", "worker", *groups, env=self._env("worker"))

    def _wait_until_ready(self) -> None:
        asked = {"API": self._ops_url, "worker": self._worker_url, **self._neighbours.ready_urls()}
        for name, url in asked.items():
            answered = self._children.wait_until(
                lambda url=url: call("GET", f"{url}/readyz").status == 200,  # type: ignore[misc]
                within_seconds=READY_SECONDS,
            )
            if not answered:
                raise JourneyError(
                    f"The {name} was not ready within {READY_SECONDS:.0f} s ({url}/readyz):"
                    f" read the logs in {self._instance.logs}."
                )
            say(f"the {name} is ready")

    def _follow(self, orders: Sequence[PlacedOrder]) -> bool:
        """Wait for the arrival of all orders and print how each one went; True when all came in order."""
        within = ARRIVAL_SECONDS - (time.time() - orders[0].posted_at)
        arrived = self._children.wait_until(lambda: self._all_arrived(orders), within_seconds=within)
        self._children.wait_until(lambda: self._all_written_down(orders), within_seconds=LAST_LINES_SECONDS)
        steps = self._steps()
        for number, order in enumerate(orders, start=1):
            print(f"\n{render(number, order, steps_of(order, steps, self._arrivals(order)))}", flush=True)
        print(flush=True)
        return arrived

    def _introduce(self) -> None:
        for line in self._neighbours.introduce(self._api_url, self._token, self._children):
            print(line, flush=True)

    def _all_arrived(self, orders: Sequence[PlacedOrder]) -> bool:
        if not self._own_platform:
            return self._all_written_down(orders)
        return all(arrived_in_order(self._arrivals(order)) for order in orders)

    def _all_written_down(self, orders: Sequence[PlacedOrder]) -> bool:
        steps = self._steps()
        return all(is_delivered(steps.get(order.order_id, [])) for order in orders)

    def _arrivals(self, order: PlacedOrder) -> Sequence[Mapping[str, Any]]:
        return arrivals_of(self._platform_url, order) if self._own_platform else []

    def _steps(self) -> dict[str, list[Step]]:
        return read_steps(self._instance.logs / f"{name}.jsonl" for name in ("api", "worker"))

    def _serve(self, orders: Sequence[PlacedOrder]) -> None:
        text = welcome(
            api=self._api_url,
            ops=self._ops_url,
            worker=self._worker_url,
            platform=self._platform_url + ("/received" if self._own_platform else ""),
            instance=self._instance,
            token=self._token,
            orders=orders,
            neighbours=self._neighbours.addresses(),
            commands=self._neighbours.commands(self._api_url),
        )
        print(text, flush=True)
        while True:
            self._stop.check()
            self._children.require_alive()
            self._stop.asked.wait(WATCH_SECONDS)

    def _end(self) -> None:
        self._children.stop()
        for server in reversed(self._started_servers):
            if self._stop.hurry.is_set():
                server.kill()
            server.stop()
        say("everything that this command started is stopped")

    def _env(self, name: str) -> dict[str, str]:
        environ = {**self._environ, **self._neighbours.environment}
        return process_environment(name, self._instance, self._addresses, self._ports, environ)

    @property
    def _api_url(self) -> str:
        return reachable(self._environ, "API_HOST", self._ports.api)

    @property
    def _ops_url(self) -> str:
        return reachable(self._environ, "OPS_HOST", self._ports.ops)

    @property
    def _worker_url(self) -> str:
        return reachable(self._environ, "WORKER_HOST", self._ports.worker)

    @property
    def _platform_url(self) -> str:
        return platform_url(self._environ, self._ports)


def say(text: str) -> None:
    """One line of progress."""
    print(f"- {text}", flush=True)
