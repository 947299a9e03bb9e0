"""Request-reply on a broker that checks rights: each side has what docs/messaging.md says, and no more."""

import uuid

from kits.observability.metrics import Metrics
from kits.rpc.handlers import handlers_of
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer, rpc_server
from kits.rpc.topics import RpcTopics, handled_specs, reply_spec
from tests.integration.kafka.clients import topic_admin
from tests.rpc_services import Article, Patterns, articles, started
from tests.secured_kafka import API, WORKER, Kind, Operation, SecuredKafka
from tests.waiting import eventually

LONG = 40.0


def brokers(secured: SecuredKafka, user: str, client_id: str) -> Brokers:
    return {
        "bootstrap_servers": secured.server.address_of("SASL_SSL"),
        "security": secured.as_user(user),
        "client_id": client_id,
    }


async def test_topics_that_others_made_can_be_used_with_the_least_rights(secured_kafka: SecuredKafka) -> None:
    """Neither side may make topics, or look at their settings."""
    patterns = Patterns(f"t{uuid.uuid4().hex[:8]}.")
    controller = articles(patterns)
    reply, letters = f"{patterns.client_id}.reply", f"{patterns.created.topic}.{patterns.group}.dlq"
    specs = [
        *handled_specs(handlers_of([controller]).values(), patterns.group),
        reply_spec(patterns.client_id),
    ]
    await RpcTopics(topic_admin(secured_kafka.administration), specs).ensure()
    for topic in (patterns.create.topic, patterns.created.topic):
        await secured_kafka.allow(API, Kind.TOPIC, topic, Operation.WRITE)
    await secured_kafka.allow(API, Kind.TOPIC, reply, Operation.READ)
    for topic in (*patterns.requests, patterns.created.topic):
        await secured_kafka.allow(WORKER, Kind.TOPIC, topic, Operation.READ)
    await secured_kafka.allow(WORKER, Kind.GROUP, patterns.group, Operation.READ)
    for topic in (reply, letters):
        await secured_kafka.allow(WORKER, Kind.TOPIC, topic, Operation.WRITE)

    asking = brokers(secured_kafka, API, patterns.client_id)
    answering = brokers(secured_kafka, WORKER, patterns.group)
    sender, replier = rpc_producer(asking), rpc_producer(answering)
    client = rpc_client(asking, sender, CallMetrics(Metrics()))
    metrics = ServerMetrics(Metrics())
    server = rpc_server(answering, replier, metrics, [controller], group=patterns.group)
    async with started(replier, server, sender, client):
        assert await client.send(patterns.create, Article("a"), timeout=LONG) == Article("A", 1)
        await client.emit(patterns.created, Article("b"), key="b", timeout=LONG)
        await eventually(lambda: controller.heard == ["b"])
