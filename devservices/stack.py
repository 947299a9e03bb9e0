"""The servers of one instance as one thing: up, down, reset, and where they are."""

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from devservices import leftovers
from devservices.errors import ExternalDatabaseError, NotRunningError
from devservices.instance import Instance
from devservices.kafka import KafkaServer
from devservices.locks import exclusive
from devservices.postgres import PostgresServer
from devservices.registry import RegistryServer

DATABASE_URL = "DATABASE_URL"
KAFKA_BOOTSTRAP_SERVERS = "KAFKA_BOOTSTRAP_SERVERS"
SCHEMA_REGISTRY_URL = "SCHEMA_REGISTRY_URL"
Server = PostgresServer | KafkaServer | RegistryServer


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are, whoever runs them; a registry is not always there."""

    database_url: str
    kafka_bootstrap_servers: str
    schema_registry_url: str = ""

    def as_environment(self) -> dict[str, str]:
        """The names under which the product reads them."""
        registry = {SCHEMA_REGISTRY_URL: self.schema_registry_url} if self.schema_registry_url else {}
        return {
            DATABASE_URL: self.database_url,
            KAFKA_BOOTSTRAP_SERVERS: self.kafka_bootstrap_servers,
            **registry,
        }


class Stack:
    """The servers of one instance; others that the environment names are used instead and never touched.

    An address that `python -m devservices env` gave is one of its own. The schema registry is started only
    when it is asked for by its name in `besides`; one that is there is stopped and deleted with the others.
    """

    def __init__(
        self,
        instance: Instance,
        environ: Mapping[str, str] = os.environ,
        *,
        fsync: bool = True,
        besides: Collection[str] = (),
    ) -> None:
        self.instance = instance
        cache = instance.home / "cache"
        self.postgres = PostgresServer(instance.directory / "postgres", fsync=fsync, cache=cache)
        self.kafka = KafkaServer(instance.directory / "kafka", cache=cache)
        self.registry = RegistryServer(instance.directory / "registry", self.postgres, cache=cache)
        self._wants_registry = self.registry.name in besides
        database, kafka = environ.get(DATABASE_URL), environ.get(KAFKA_BOOTSTRAP_SERVERS)
        self.external_database = None if database == self.postgres.url() else database or None
        self.external_kafka = None if kafka == self.kafka.bootstrap_servers else kafka or None
        registry = environ.get(SCHEMA_REGISTRY_URL)
        self.external_registry = None if registry == self.registry.url else registry or None

    def own_servers(self) -> list[Server]:
        """The servers that this instance starts and stops, in start order."""
        servers: list[Server] = []
        if self.external_database is None:
            servers.append(self.postgres)
        if self.external_kafka is None:
            servers.append(self.kafka)
        if self.external_registry is None and (self._wants_registry or self.registry.exists):
            servers.append(self.registry)
        return servers

    def external_names(self) -> list[str]:
        """The variables that name servers of somebody else."""
        external = {
            DATABASE_URL: self.external_database,
            KAFKA_BOOTSTRAP_SERVERS: self.external_kafka,
            SCHEMA_REGISTRY_URL: self.external_registry,
        }
        return [name for name, address in external.items() if address is not None]

    def up(self, on_started: Callable[[Server], None] = lambda _: None) -> list[Server]:
        """Start what does not run, two at a time; returns (and tells one by one) what this call started.

        Raises:
            DevServicesError: in one sentence, what failed; the other servers may be up.
        """

        def start(server: Server) -> bool:
            started = server.start()
            if started:
                on_started(server)
            return started

        with exclusive(self.instance.lock):
            leftovers.end_orphans(self.instance)
            servers = self._wanted_servers()
            if self.registry in servers and self.external_database is not None:
                raise ExternalDatabaseError(
                    "The schema registry keeps its schemas in this instance's own PostgreSQL:"
                    " unset DATABASE_URL, or set SCHEMA_REGISTRY_URL to a registry that is there already."
                )
            both = [server for server in servers if server is not self.registry]
            with ThreadPoolExecutor(max_workers=2) as pool:
                results = list(pool.map(start, both))
            # Its database has to be there first.
            results += [start(server) for server in servers if server is self.registry]
        return [server for server, started in zip(servers, results, strict=True) if started]

    def down(self) -> None:
        """Stop in order, Kafka first, each within a bound. Keeps all data."""
        leftovers.end_run(self.instance)
        with exclusive(self.instance.lock):
            for server in reversed(self.own_servers()):
                server.stop()

    def reset(self) -> None:
        """Stop the servers and delete their data."""
        leftovers.end_run(self.instance)
        with exclusive(self.instance.lock):
            for server in reversed(self.own_servers()):
                server.delete()
            if self.external_database is None and self.external_kafka is None:
                shutil.rmtree(self.instance.directory, ignore_errors=True)

    def addresses(self) -> Addresses:
        """Where the servers are now.

        Raises:
            NotRunningError: one that this instance runs is not up.
        """
        for server in self._wanted_servers():
            if not server.is_running():
                raise NotRunningError(
                    f"{server.name} of '{self.instance.name}' is not running: run `make up`."
                )
        return Addresses(
            self.external_database or self.postgres.url(),
            self.external_kafka or self.kafka.bootstrap_servers,
            self.external_registry or (self.registry.url if self.registry.is_running() else ""),
        )

    def _wanted_servers(self) -> list[Server]:
        own = self.own_servers()
        return own if self._wants_registry else [server for server in own if server is not self.registry]
