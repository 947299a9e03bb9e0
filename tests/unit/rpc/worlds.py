"""A world for the tests: a fake Kafka, a service and its caller, under virtual time."""

from collections.abc import Awaitable, Callable
from typing import Any

from kits.kafka.records import OutgoingRecord
from kits.rpc.client import RpcClient
from kits.rpc.server import RpcServer
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Patterns, articles, fake_client, fake_server, started, topics_of
from tests.virtual_time import run_virtually

PATTERNS = Patterns()
REPLIES = f"{PATTERNS.client_id}.reply"


class World:
    """A fake Kafka, a service, and its caller."""

    def __init__(self, *, max_waiting: int = 1_000, max_in_flight: int = 100, ledger: Any = None) -> None:
        self.kafka = FakeKafka(topics_of(PATTERNS))
        self.controller = articles(PATTERNS)
        self.client: RpcClient = fake_client(self.kafka, PATTERNS, max_waiting=max_waiting)
        self.server = self.new_server(max_in_flight=max_in_flight, ledger=ledger)

    def new_server(self, **options: Any) -> RpcServer:
        return fake_server(self.kafka, PATTERNS, self.controller, **options)

    def ask_as_nest(self, title: str, **headers: str) -> None:
        """A request as a stranger writes it, who reads no reply."""
        said = {
            "kafka_correlationId": title,
            "kafka_replyTopic": REPLIES,
            "kafka_replyPartition": "5",
        } | headers
        value = f'{{"title":"{title}"}}'.encode()
        told = tuple((name, text.encode()) for name, text in (said | headers).items())
        self.kafka.write(OutgoingRecord(PATTERNS.create.topic, None, value, told))

    def replies(self) -> list[str]:
        return [dict(each.headers)["kafka_correlationId"].decode() for each in self.kafka.records(REPLIES)]


def virtually(test: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Run the test in a world whose two sides have started."""

    async def run() -> None:
        world = World(**options)
        async with started(world.server, world.client):
            await test(world)

    run_virtually(run(), turns_allowed=200_000)
