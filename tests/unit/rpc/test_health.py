"""Whoever can read no reply, serves nothing, or has no Kafka says so, and works on."""

import asyncio

from kits.kafka.errors import KafkaUnavailableError
from kits.observability.health import Status
from kits.rpc.health import RpcClientCheck, RpcServerCheck
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Patterns, articles, fake_client, fake_server, started, topics_of
from tests.virtual_time import run_virtually


def test_who_cannot_read_replies_is_degraded_with_the_reason() -> None:
    """From its start until the first look, and whenever Kafka is away."""

    async def test() -> None:
        names = Patterns()
        kafka = FakeKafka(topics_of(names))
        client = fake_client(kafka, names)
        check = RpcClientCheck(client, kafka)
        assert (await check.check()).status is Status.DEGRADED
        async with started(client):
            await asyncio.sleep(5.0)
            assert (await check.check()).status is Status.OK

            async def away(_timeout_ms: int) -> list[object]:
                raise KafkaUnavailableError("Kafka does not answer.")

            polled = client._tail.poll
            client._tail.poll = away  # type: ignore[method-assign, assignment]
            await asyncio.sleep(5.0)
            found = await check.check()
            assert (found.status, found.detail) == (Status.DEGRADED, "Kafka does not answer.")
            client._tail.poll = polled  # type: ignore[method-assign]
            await asyncio.sleep(5.0)
            assert (await check.check()).status is Status.OK

    run_virtually(test(), turns_allowed=200_000)


def test_an_outage_shows_though_nobody_asks_anything() -> None:
    """To a consumer it looks like silence: callers are degraded, a service is unready."""

    async def test() -> None:
        names = Patterns()
        kafka = FakeKafka(topics_of(names))
        client, server = fake_client(kafka, names), fake_server(kafka, names, articles(names))
        checks = RpcClientCheck(client, kafka), RpcServerCheck(server, kafka)
        async with started(server, client):
            for is_up, expected in (
                (True, [Status.OK, Status.OK]),
                (False, [Status.DEGRADED, Status.UNREADY]),
                (True, [Status.OK, Status.OK]),
            ):
                (kafka.is_up.set if is_up else kafka.is_up.clear)()
                await asyncio.sleep(5.0)
                found = [await check.check() for check in checks]
                assert [each.status for each in found] == expected
                assert ["Kafka" in each.detail for each in found] == [not is_up] * 2

    run_virtually(test(), turns_allowed=200_000)
