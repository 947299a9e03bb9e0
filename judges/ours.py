"""Judges, our side: a service with a handler of every shape, and a client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from kits.observability.metrics import Metrics
from kits.rpc.call import Call
from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcError
from kits.rpc.handlers import event_pattern, message_pattern
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.over_kafka import rpc_client, rpc_producer, rpc_server
from tests.rpc_services import brokers_of, started
from tests.waiting import eventually

REQUESTS = ("article", "titles", "text", "half", "longer", "nothing", "framed", "pages")


class Article(msgspec.Struct):
    """What travels."""

    title: str
    tags: list[str] = []
    words: int | None = None


def shapes(prefix: str) -> Any:  # noqa: C901 - a class of small methods
    """A controller of these topics, which remembers what it was asked and told."""

    class ShapesController:
        def __init__(self) -> None:
            self.asked: list[str] = []
            self.noted: list[Article] = []

        @message_pattern(f"{prefix}.article")
        async def article(self, article: Article) -> Article:
            self.asked.append(article.title)
            match article.title:
                case "missing":
                    raise RpcError(404, "article_not_found", "No article has this title.")
                case "broken":
                    raise RuntimeError("inner text")
                case "huge":
                    return Article("x" * 2_000_000)
            return article

        @message_pattern(f"{prefix}.titles")
        async def titles(self, articles: list[Article]) -> list[str]:
            return [article.title for article in articles]

        @message_pattern(f"{prefix}.text")
        async def text(self, text: str) -> str:
            return text

        @message_pattern(f"{prefix}.half")
        async def half(self, number: int) -> float:
            return number / 2

        @message_pattern(f"{prefix}.longer")
        async def longer(self, than_by_default: bool, call: Call) -> bool:
            return than_by_default and call.remaining_seconds > 20

        @message_pattern(f"{prefix}.nothing")
        async def nothing(self, title: str) -> None:
            self.asked.append(title)

        @message_pattern(f"{prefix}.framed")
        async def framed(self, data: bytes) -> bytes:
            return data

        @message_pattern(f"{prefix}.pages")
        async def pages(self, number: int) -> AsyncIterator[Article]:
            for page in range(abs(number)):
                yield Article(f"page {page}")
            if number < 0:
                raise RpcError(410, "torn_out", "The rest is gone.")

        @event_pattern(f"{prefix}.noted")
        async def note(self, article: Article) -> None:
            self.noted.append(article)

    return ShapesController()


@asynccontextmanager
async def our_service(servers: str, prefix: str, controller: object) -> AsyncIterator[None]:
    """Serves the controller, whose topics are there then; what was asked shortly before is served too."""
    brokers = brokers_of(servers, f"{prefix}-ours")
    producer = rpc_producer(brokers)
    server = rpc_server(brokers, producer, ServerMetrics(Metrics()), [controller], group=f"{prefix}-ours")
    async with started(producer, server):
        await eventually(lambda: not server.trouble)
        yield


@asynccontextmanager
async def our_client(servers: str, prefix: str) -> AsyncIterator[RpcClient]:
    """A client with a reply topic of its own."""
    brokers = brokers_of(servers, f"{prefix}-caller")
    producer = rpc_producer(brokers)
    client = rpc_client(brokers, producer, CallMetrics(Metrics()))
    async with started(producer, client):
        yield client
