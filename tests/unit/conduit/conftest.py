"""The real gateway on a real socket, one server per module; behind it three services in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from dependency_injector import providers

from conduit.gateway.container import Container
from conduit.gateway.main import create_app, create_ops_app
from conduit.gateway.problems import RealWorldProblems
from conduit.gateway.settings import GatewayPlace, GatewaySettings
from kits.kafka.security import KafkaSettings
from kits.observability.health import CheckResult, Status
from kits.process.lifecycle import Lifecycle
from kits.web.server.serving import Ops, serve
from tests.integration.api.raw import Reply, exchange, message
from tests.unit.conduit.in_memory_services import InMemoryServices, write_keys
from tests.waiting import patient


@dataclass(slots=True)
class Gateway:
    """A running gateway and how to talk to it."""

    port: int
    ops_port: int
    behind: InMemoryServices
    container: Container

    async def send(self, sent: bytes) -> Reply:
        """The answer to these bytes."""
        return await exchange(self.port, sent)

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str
    ) -> Reply:
        """One request; the body as JSON, the token as RealWorld sends it."""
        named = {"authorization": f"Token {token}"} if token else {}
        if body is not None:
            named["content_type"] = "application/json"
        sent = b"" if body is None else json.dumps(body).encode()
        return await self.send(message(method, path, sent, **{**named, **headers}))

    async def user(self, name: str) -> str:
        """A new user's token."""
        sent = {"user": {"username": name, "email": f"{name}@example.com", "password": "password123"}}
        reply = await self.ask("POST", "/api/users", sent)
        assert reply.status == 201, reply
        token: str = reply.json["user"]["token"]
        return token

    async def article(self, token: str, title: str = "Title", **more: Any) -> str:
        """A new article's slug."""
        sent = {"article": {"title": title, "description": "d", "body": "b", **more}}
        reply = await self.ask("POST", "/api/articles", sent, token=token)
        assert reply.status == 201, reply
        slug: str = reply.json["article"]["slug"]
        return slug

    async def ready(self) -> Any:
        """What `/readyz` says."""
        return (await exchange(self.ops_port, message("GET", "/readyz"))).json

    async def query(self, query: str, token: str = "", **variables: Any) -> Reply:
        """POST /graphql."""
        return await self.ask("POST", "/graphql", {"query": query, "variables": variables}, token=token)


def container_of(behind: InMemoryServices, keys_file: str, **place: Any) -> Container:
    """The real container with these services in the place of Kafka."""
    settings = GatewaySettings(
        kafka=KafkaSettings(bootstrap_servers="nowhere:9092"),
        conduit_gateway=GatewayPlace(keys_file=keys_file, **place),
    )
    container = Container(settings=settings)
    container.rpc.override(providers.Object(behind))
    container.lifecycle.override(providers.Object(Lifecycle([])))
    return container


class _Readable:
    """Stands in for RpcClientCheck."""

    name = "rpc_client"

    async def check(self) -> CheckResult:
        """All is well."""
        return CheckResult(Status.OK)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """The gateway on a free port, for one module."""
    behind = InMemoryServices()
    keys_file = write_keys(tmp_path_factory.mktemp("keys"))
    container = container_of(behind, str(keys_file), cors_allow_origins="https://web.example")
    container.rpc_check.override(providers.Object(_Readable()))
    loop = asyncio.get_running_loop()
    port, ops_port = loop.create_future(), loop.create_future()
    stop = asyncio.Event()
    ops = Ops(app=create_ops_app(container), host="127.0.0.1", port=0, ready=ops_port.set_result)
    serving = asyncio.create_task(
        serve(
            create_app(container),
            host="127.0.0.1",
            port=0,
            stop=stop,
            ready=port.set_result,
            problems=RealWorldProblems(),
            ops=ops,
        )
    )
    async with asyncio.timeout(patient(60)):
        ports = await port, await ops_port
    yield Gateway(*ports, behind, container)
    stop.set()
    await asyncio.wait_for(serving, patient(60))


@pytest.fixture
def gateway(served: Gateway) -> Gateway:
    """The running gateway, its services as if new, all of them trusted again."""
    served.behind.__init__()  # type: ignore[misc]
    for name in ("auth", "articles", "profiles"):
        breaker = getattr(served.container, name)()._breaker
        breaker.__init__(served.container.clock(), failures=5, keys=1)
    return served
