"""A caller that can read no reply says so, and works on."""

import asyncio

from kits.kafka.errors import KafkaUnavailableError
from kits.observability.health import Status
from kits.rpc.client import RpcClientCheck
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Patterns, fake_client, started, topics_of
from tests.virtual_time import run_virtually


def test_who_cannot_read_replies_is_degraded_with_the_reason() -> None:
    """From its start until the first look, and whenever Kafka is away."""

    async def test() -> None:
        names = Patterns()
        client = fake_client(FakeKafka(topics_of(names)), names)
        check = RpcClientCheck(client)
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
