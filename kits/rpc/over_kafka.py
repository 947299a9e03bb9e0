"""Request-reply over Kafka: a client and a server, put together from the settings of a process."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import randrange
from typing import Any, TypedDict

from kits.kafka.admin import TopicAdmin
from kits.kafka.group_reader import GroupReader
from kits.kafka.group_survey import GroupSurvey
from kits.kafka.log_reader import LogReader
from kits.kafka.partition_tail import PartitionTail
from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity
from kits.rpc.answers import ReplyPlaces, ReplyWriter
from kits.rpc.client import RpcClient
from kits.rpc.deadlines import SystemClock
from kits.rpc.dispatch import RequestDispatcher
from kits.rpc.event_retries import EventRetries
from kits.rpc.handlers import handlers_of
from kits.rpc.ledger import RequestLedger
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.server import HAND_BACK_SECONDS, RpcServer
from kits.rpc.topics import GroupRivals, RpcTopics, handled_specs, reply_spec, reply_topic

_GRACE_SECONDS = 2.0


class Brokers(TypedDict):
    """Where Kafka is, and who asks: the arguments that every client of the Kafka kit takes."""

    bootstrap_servers: str
    security: KafkaSecurity
    client_id: str


@dataclass(frozen=True, slots=True)
class RpcReaders:
    """ports.RequestReaders."""

    brokers: Brokers
    group: str
    instance_id: str | None = None

    def new(self, topics: Iterable[str]) -> GroupReader:
        """See RequestReaders."""
        return GroupReader(
            **self.brokers,
            group=self.group,
            topics=list(topics),
            instance_id=self.instance_id,
            hand_back_seconds=HAND_BACK_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class TopicLookup:
    """answers.TopicDirectory: a connection for each question, and there are few."""

    brokers: Brokers

    async def partition_count(self, topic: str) -> int:
        """See TopicDirectory."""
        async with LogReader(**self.brokers) as reader:
            return await reader.partition_count(topic)


def rpc_producer(brokers: Brokers) -> RecordProducer:
    """A producer for requests and replies, each of which somebody waits for: a missing topic is said soon."""
    return RecordProducer(**brokers, batch_spacing_seconds=0.0, missing_topic_grace_seconds=_GRACE_SECONDS)


def rpc_client(brokers: Brokers, producer: RecordProducer, metrics: CallMetrics) -> RpcClient:
    """A client that reads `{client_id}.reply`, which is made if it is missing."""
    slot = randrange(1_000_000)  # noqa: S311 - spreads instances over partitions, guards nothing
    return RpcClient(
        producer=producer,
        tail=PartitionTail(**brokers, topic=reply_topic(brokers["client_id"]), slot=slot),
        topics=RpcTopics(TopicAdmin(**brokers), [reply_spec(brokers["client_id"])]),
        metrics=metrics,
        clock=SystemClock(),
    )


def rpc_server(
    brokers: Brokers,
    producer: RecordProducer,
    metrics: ServerMetrics,
    controllers: Iterable[object],
    *,
    group: str,
    ledger: RequestLedger[Any] | None = None,
    instance_id: str | None = None,
    max_in_flight: int = 256,
) -> RpcServer:
    """A server of these controllers, in this group; its topics are made if they are missing.

    Raises:
        HandlerError: a handler that cannot be served as it is written.
    """
    handlers = handlers_of(controllers)
    clock = SystemClock()
    dispatcher = RequestDispatcher(
        handlers=handlers,
        writer=ReplyWriter(producer),
        places=ReplyPlaces(TopicLookup(brokers)),
        events=EventRetries(producer, group),
        ledger=ledger,
        metrics=metrics,
        clock=clock,
    )
    return RpcServer(
        handlers=handlers,
        dispatcher=dispatcher,
        readers=RpcReaders(brokers, group, instance_id),
        topics=RpcTopics(TopicAdmin(**brokers), handled_specs(handlers.values(), group)),
        rivals=GroupRivals(GroupSurvey(**brokers), group, handlers.values()),
        metrics=metrics,
        clock=clock,
        max_in_flight=max_in_flight,
    )
