"""Request-reply on a real broker while services come and go, strangers write, and the broker is away."""

import asyncio
import signal
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from devservices.kafka import KafkaServer
from kits.kafka.producer import RecordProducer
from kits.kafka.records import OutgoingRecord
from kits.observability.metrics import Metrics
from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcTimeoutError, RpcUnavailableError
from kits.rpc.health import RpcServerCheck
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.over_kafka import rpc_client, rpc_producer, rpc_server
from kits.rpc.server import RpcServer
from kits.rpc.topics import reply_spec, request_spec
from tests.integration.kafka.clients import own_kafka, soon, topic_admin
from tests.rpc_services import Article, Patterns, articles, both_on_kafka, brokers_of, started
from tests.waiting import eventually, patient

LONG = 40.0


@pytest.fixture
def patterns() -> Patterns:
    return Patterns(f"t{uuid.uuid4().hex[:8]}.")


def new_server(
    servers: str, patterns: Patterns, controller: object, group: str = ""
) -> tuple[RecordProducer, RpcServer]:
    """A server and its producer, as in a process of its own."""
    brokers = brokers_of(servers, f"{patterns.group}-service")
    producer = rpc_producer(brokers)
    metrics = ServerMetrics(Metrics())
    return producer, rpc_server(brokers, producer, metrics, [controller], group=group or patterns.group)


def new_client(servers: str, patterns: Patterns) -> tuple[object, RpcClient]:
    brokers = brokers_of(servers, patterns.client_id)
    producer = rpc_producer(brokers)
    return producer, rpc_client(brokers, producer, CallMetrics(Metrics()))


async def test_two_thousand_calls_through_rebalances_are_all_answered(
    kafka_servers: str, patterns: Patterns
) -> None:
    """A service joins, and one leaves, while they are on their way; each gets its own reply.

    A rebalance waits for what is under way: nothing is carried out twice.
    """
    controllers = [articles(patterns) for _ in range(2)]
    calls: list[asyncio.Task[Article]] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(both_on_kafka(kafka_servers, patterns, controllers[0]))
        await client.send(patterns.create, Article("first"), timeout=LONG)

        async def call(count: int) -> None:
            for number in range(len(calls), len(calls) + count):
                calls.append(
                    asyncio.create_task(client.send(patterns.create, Article(f"t{number}"), timeout=LONG))
                )
                # About twenty are under way at any time, also when the group shares out anew.
                if number >= 20:
                    await asyncio.wait({calls[number - 20]})

        async with started(*new_server(kafka_servers, patterns, controllers[1])):
            await call(1_000)
            while not controllers[1].created:
                await call(20)
            # And from here on one leaves.
            leaving = asyncio.create_task(call(500))
            await asyncio.sleep(0)
        await leaving
        await call(max(20, 2_000 - len(calls)))
        replies = await asyncio.gather(*calls)
    assert [reply.title for reply in replies] == [f"T{number}" for number in range(len(calls))]
    carried_out = [title for each in controllers for title in each.created]
    assert sorted(carried_out) == sorted(["first", *(f"t{number}" for number in range(len(calls)))])


async def test_a_service_that_comes_before_the_deadline_answers_and_one_that_comes_after_does_not(
    kafka_servers: str, patterns: Patterns
) -> None:
    controller = articles(patterns)
    async with started(*(former := new_server(kafka_servers, patterns, controller))):
        await eventually(lambda: former[1].trouble == "")
    async with started(*(client := new_client(kafka_servers, patterns))):
        with pytest.raises(RpcTimeoutError):
            await client[1].send(patterns.create, Article("gone"), timeout=1.0)
        call = asyncio.create_task(client[1].send(patterns.create, Article("waits"), timeout=LONG))
        async with started(*new_server(kafka_servers, patterns, controller)):
            assert await call == Article("WAITS", 1)
    assert controller.created == ["waits"]


async def test_eight_callers_share_six_reply_partitions(kafka_servers: str, patterns: Patterns) -> None:
    """NestJS refuses the seventh."""
    clients = [new_client(kafka_servers, patterns) for _ in range(8)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(both_on_kafka(kafka_servers, patterns, articles(patterns)))
        for each in clients:
            await stack.enter_async_context(started(*each))
        calls = [
            client.send(patterns.create, Article(f"{name}-{number}"), timeout=LONG)
            for number in range(10)
            for name, (_, client) in enumerate(clients)
        ]
        titles = [reply.title for reply in await asyncio.gather(*calls)]
    assert titles == [f"{name}-{number}" for number in range(10) for name in range(8)]


async def test_a_caller_that_is_gone_disturbs_the_next_one_not(
    kafka_servers: str, patterns: Patterns
) -> None:
    """Its replies come late, to whoever reads the partition now."""
    controller = articles(patterns)
    controller.release.clear()
    async with both_on_kafka(kafka_servers, patterns, controller) as first:
        call = asyncio.create_task(first.send(patterns.create, Article("abandoned"), timeout=LONG))
        await eventually(lambda: controller.created)
        call.cancel()
        controller.release.set()
        async with started(*(second := new_client(kafka_servers, patterns))):
            assert await second[1].send(patterns.create, Article("b"), timeout=LONG) == Article("B", 1)
        assert await first.send(patterns.create, Article("c"), timeout=LONG) == Article("C", 1)


async def test_another_group_on_the_same_requests_is_refused_with_a_sentence(
    kafka_servers: str, patterns: Patterns
) -> None:
    """Both would carry out each of them. It tries again, and serves when the other has gone."""
    controller = articles(patterns)
    async with AsyncExitStack() as first:
        await first.enter_async_context(started(*(served := new_server(kafka_servers, patterns, controller))))
        await eventually(lambda: served[1].trouble == "")
        async with started(*(rival := new_server(kafka_servers, patterns, controller, "rival"))):
            await eventually(lambda: "would be carried out twice" in rival[1].trouble)
            found = await RpcServerCheck(rival[1], rival[0]).check()
            assert f"the group {patterns.group} serves" in found.detail
            await first.aclose()
            await eventually(lambda: rival[1].trouble == "")


async def test_a_stranger_cannot_have_a_reply_written_elsewhere(
    kafka_servers: str, patterns: Patterns
) -> None:
    """Not to a topic of events, not to one that is not there, not to a partition that is not there."""
    controller = articles(patterns)
    async with both_on_kafka(kafka_servers, patterns, controller) as client:
        await client.send(patterns.create, Article("first"), timeout=LONG)
        producer = rpc_producer(brokers_of(kafka_servers, "stranger"))
        async with started(producer):
            for topic, partition in (
                (patterns.created.topic, b"0"),
                (f"{patterns.group}.elsewhere.reply", b"0"),
                (f"{patterns.client_id}.reply", b"12"),
                (f"{patterns.client_id}.reply", b"-1"),
                (f"{patterns.client_id}.reply", b"\xff"),
            ):
                headers = (
                    ("kafka_correlationId", b"c-1"),
                    ("kafka_replyTopic", topic.encode()),
                    ("kafka_replyPartition", partition),
                )
                request = OutgoingRecord(patterns.create.topic, b"k", b'{"title":"evil"}', headers)
                await producer.send(request, not_after=soon())
        assert await client.send(patterns.create, Article("last"), key="k", timeout=LONG) == Article(
            "LAST", 1
        )
    assert controller.created == ["first", "last"]


async def test_a_reply_topic_that_somebody_deleted_is_made_again(
    kafka_servers: str, patterns: Patterns
) -> None:
    """By the client that reads it, and the calls after that are answered."""
    admin = topic_admin(kafka_servers)
    async with both_on_kafka(kafka_servers, patterns, articles(patterns)) as client:
        await client.send(patterns.create, Article("before"), timeout=LONG)
        await admin.delete_topics([f"{patterns.client_id}.reply"])

        async def answered() -> bool:
            try:
                return await client.send(patterns.create, Article("x"), timeout=1) == Article("X", 1)
            except RpcTimeoutError:
                return False

        await eventually(answered, within_seconds=LONG)


@pytest.fixture(scope="module")
def own_broker() -> Iterator[KafkaServer]:
    """A broker that only this file uses, since it is stopped."""
    with own_kafka("rpc-outage") as broker:
        yield broker


@pytest.fixture
async def broker(own_broker: KafkaServer) -> KafkaServer:
    await asyncio.to_thread(own_broker.start, patient(60))
    return own_broker


async def test_calls_wait_through_an_outage_of_the_broker_until_their_deadlines(
    broker: KafkaServer, patterns: Patterns
) -> None:
    """One whose time is up hears so; the other is answered when the broker is back, once."""
    controller = articles(patterns)
    async with both_on_kafka(broker.bootstrap_servers, patterns, controller) as client:
        await client.send(patterns.create, Article("before"), timeout=LONG)
        await asyncio.to_thread(broker.kill)
        waits = asyncio.create_task(client.send(patterns.create, Article("waits"), timeout=55))
        with pytest.raises(RpcUnavailableError, match="was not sent"):
            await client.send(patterns.create, Article("gone"), timeout=1.5)
        await asyncio.to_thread(broker.start, patient(60))
        assert await waits == Article("WAITS", 1)
        assert await client.send(patterns.create, Article("after"), timeout=LONG) == Article("AFTER", 1)
    assert controller.created == ["before", "waits", "after"]


async def test_both_sides_start_while_the_broker_does_not_answer(
    broker: KafkaServer, patterns: Patterns
) -> None:
    process = broker.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        async with both_on_kafka(broker.bootstrap_servers, patterns, articles(patterns)) as client:
            with pytest.raises(RpcUnavailableError, match="was not sent"):
                await client.send(patterns.create, Article("gone"), timeout=0.5)
            call = asyncio.create_task(client.send(patterns.create, Article("waits"), timeout=55))
            process.send_signal(signal.SIGCONT)
            assert await call == Article("WAITS", 1)
    finally:
        process.send_signal(signal.SIGCONT)


async def test_topics_are_made_with_their_retention(kafka_servers: str, patterns: Patterns) -> None:
    """Requests an hour, replies ten minutes, each in segments of a third of it."""
    async with both_on_kafka(kafka_servers, patterns, articles(patterns)) as client:
        await client.send(patterns.create, Article("a"), timeout=LONG)
        for spec, retention in (
            (request_spec(patterns.create.topic), 3_600_000),
            (reply_spec(patterns.client_id), 600_000),
        ):
            assert spec.config["retention.ms"] == str(retention)
            assert spec.config["segment.ms"] == str(retention // 3)
            assert await topic_admin(kafka_servers).ensure_topics([spec]) == []


async def test_a_request_that_no_service_was_ever_started_for_is_refused_soon(
    kafka_servers: str, patterns: Patterns
) -> None:
    """Long before its deadline, and the sentence names the topic."""
    async with started(*(client := new_client(kafka_servers, patterns))):
        with pytest.raises(RpcUnavailableError, match=patterns.create.topic):
            await client[1].send(patterns.create, Article("a"), timeout=59)
