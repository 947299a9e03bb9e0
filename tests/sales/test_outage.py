"""The broker dies under a running stream, and comes back."""

import asyncio
from pathlib import Path

from kits.kafka.admin import TopicSpec
from tests.integration.kafka.clients import own_kafka, topic_admin
from tests.sale_events import counted, generated
from tests.sales.harness import produce, streams
from tests.waiting import eventually, patient


async def test_a_broker_that_dies_and_comes_back_finds_a_stream_that_has_waited(tmp_path: Path) -> None:
    """Unready meanwhile; afterwards it goes on by itself, and every order counts once."""
    orders = generated(400, seed=41)
    with own_kafka("sales") as broker:
        await asyncio.to_thread(broker.start, patient(60))
        servers = broker.bootstrap_servers
        await topic_admin(servers).ensure_topics([TopicSpec("orders", 3)])
        await produce(servers, "orders", [each.created() for each in orders[:200]])
        async with streams(tmp_path, servers, "orders") as stream:
            stream.start("one")

            async def is_told(count: int) -> bool:
                return await stream.told() == counted(orders[:count])

            await eventually(lambda: is_told(200), poll_seconds=0.3)
            await stream.are_ready("one")
            await asyncio.to_thread(broker.kill)

            async def is_unready() -> bool:
                return (await stream.page("one", "/readyz"))[0] == 503

            await eventually(is_unready, poll_seconds=0.2)
            assert (await stream.page("one", "/livez"))[0] == 200
            await asyncio.to_thread(broker.start, patient(60))
            await produce(servers, "orders", [each.created() for each in orders[200:]])
            await eventually(lambda: is_told(400), within_seconds=90, poll_seconds=0.5)
            await stream.are_ready("one")
            assert await stream.stop("one"), stream.processes["one"].last_lines()
