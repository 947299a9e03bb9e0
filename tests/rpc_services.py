"""Request-reply for the tests: a service, its caller, and both on the fake and on Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from kits.kafka.producer import RecordProducer
from kits.kafka.records import TopicPartition
from kits.observability.metrics import Metrics
from kits.resilience.retry import Backoff
from kits.rpc.answers import ReplyPlaces, ReplyWriter
from kits.rpc.call import Call
from kits.rpc.client import RpcClient
from kits.rpc.dispatch import RequestDispatcher
from kits.rpc.errors import RpcError
from kits.rpc.event_retries import EventRetries
from kits.rpc.handlers import event_pattern, handlers_of, message_pattern
from kits.rpc.ledger import RequestLedger
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer, rpc_server
from kits.rpc.patterns import Event, Pattern
from kits.rpc.server import RpcServer
from tests.fake_kafka import FakeKafka, FakeTail
from tests.integration.kafka.clients import PLAIN


class Article(msgspec.Struct):
    """What travels in these tests."""

    title: str
    words: int = 0


class Names(Protocol):
    """Who asks, and who answers."""

    @property
    def client_id(self) -> str: ...

    @property
    def group(self) -> str: ...


class Patterns:
    """The names of one test; on a shared broker each test has topics of its own."""

    def __init__(self, prefix: str = "") -> None:
        self.create = Pattern(f"{prefix}create_article", Article, Article)
        self.titles = Pattern(f"{prefix}get_titles", Article, str)
        self.count = Pattern(f"{prefix}count_words", str, int)
        self.drop = Pattern(f"{prefix}drop_article", str, type(None))
        self.list = Pattern(f"{prefix}list_articles", int, list[Article])
        self.created = Event(f"{prefix}article_created", Article)
        self.client_id = f"{prefix}gateway"
        self.group = f"{prefix}articles"

    @property
    def requests(self) -> list[str]:
        """All request topics."""
        return [each.topic for each in (self.create, self.titles, self.count, self.drop, self.list)]


def _made(article: Article) -> Article:
    match article.title:
        case "refuse":
            raise RpcError(404, "article_not_found", "There is no such article.")
        case "break":
            raise RuntimeError("a secret of the service")
        case "huge":
            return Article("x" * 2_000_000)
    return Article(article.title.upper(), article.words + 1)


def articles(patterns: Patterns) -> Any:  # noqa: C901 - a class of small methods
    """A controller that serves them."""

    class ArticleController:
        """Remembers what it was asked."""

        def __init__(self) -> None:
            self.created: list[str] = []
            self.heard: list[str] = []
            self.release = asyncio.Event()
            self.release.set()
            self.failures = 0

        @message_pattern(patterns.create)
        async def create(self, article: Article, call: Call) -> Article:
            self.created.append(article.title)
            await self.release.wait()
            return _made(article)

        @message_pattern(patterns.titles)
        async def titles(self, article: Article) -> AsyncIterator[str]:
            for number in range(article.words):
                yield f"{article.title} {number}"
            if article.title == "break off":
                raise RpcError(409, "broken_off", "There is no more.")

        @message_pattern(patterns.count)
        async def count(self, text: str) -> int:
            return len(text.split())

        @message_pattern(patterns.drop)
        async def drop(self, title: str) -> None:
            self.created.append(f"dropped {title}")

        @message_pattern(patterns.list)
        async def list(self, number: int) -> list[Article]:
            return [Article(f"title {each}", each) for each in range(number)]

        @event_pattern(patterns.created, retries=3)
        async def index(self, event: Article) -> None:
            self.heard.append(event.title)
            if self.failures or event.title == "never":
                self.failures = max(0, self.failures - 1)
                raise RuntimeError("the index is away")

    return ArticleController()


def topics_of(patterns: Patterns) -> dict[str, int]:
    """What the fake has."""
    letters = f"{patterns.created.topic}.{patterns.group}.dlq"
    return dict.fromkeys([*patterns.requests, patterns.created.topic, letters], 3) | {
        f"{patterns.client_id}.reply": 6
    }


def fake_client(
    kafka: FakeKafka, patterns: Names, *, max_waiting: int = 1_000, partition: int = 0
) -> RpcClient:
    return RpcClient(
        producer=kafka,
        tail=FakeTail(kafka, TopicPartition(f"{patterns.client_id}.reply", partition)),
        topics=kafka,
        metrics=CallMetrics(Metrics()),
        clock=kafka,
        max_waiting=max_waiting,
    )


def fake_server(
    kafka: FakeKafka,
    patterns: Names,
    *controllers: object,
    ledger: RequestLedger[Any] | None = None,
    max_in_flight: int = 100,
) -> RpcServer:
    handlers, metrics = handlers_of(controllers), ServerMetrics(Metrics())
    dispatcher = RequestDispatcher(
        handlers=handlers,
        writer=ReplyWriter(kafka),
        places=ReplyPlaces(kafka),
        events=EventRetries(kafka, patterns.group, Backoff(base_seconds=0.01, cap_seconds=0.1)),
        ledger=ledger,
        metrics=metrics,
        clock=kafka,
    )
    return RpcServer(
        handlers=handlers,
        dispatcher=dispatcher,
        readers=kafka,
        topics=kafka,
        rivals=kafka,
        metrics=metrics,
        clock=kafka,
        max_in_flight=max_in_flight,
    )


def brokers_of(servers: str, client_id: str) -> Brokers:
    return {"bootstrap_servers": servers, "security": PLAIN, "client_id": client_id}


@asynccontextmanager
async def started(*parts: Any) -> AsyncIterator[None]:
    """Started in order, stopped the other way round."""
    try:
        for part in parts:
            await part.start()
        yield
    finally:
        for part in reversed(parts):
            if isinstance(part, RecordProducer):
                await part.stop(within_seconds=1.0)
            else:
                await part.stop()


@asynccontextmanager
async def both_on_kafka(
    servers: str, patterns: Patterns, controller: object, **options: Any
) -> AsyncIterator[RpcClient]:
    """A client and a server with a producer each, as in two processes."""
    asking, answering = (
        brokers_of(servers, patterns.client_id),
        brokers_of(servers, f"{patterns.group}-service"),
    )
    sender, replier = rpc_producer(asking), rpc_producer(answering)
    client = rpc_client(asking, sender, CallMetrics(Metrics()))
    server = rpc_server(
        answering, replier, ServerMetrics(Metrics()), [controller], group=patterns.group, **options
    )
    async with started(replier, server, sender, client):
        yield client


@asynccontextmanager
async def both_on_fake(kafka: FakeKafka, patterns: Patterns, controller: object) -> AsyncIterator[RpcClient]:
    """The same in memory."""
    client, server = fake_client(kafka, patterns), fake_server(kafka, patterns, controller)
    async with started(server, client):
        yield client
