"""The stream on a broker that checks who comes, with the rights that docs/streams.md lists, and without."""

from pathlib import Path

from contracts.sales import ANALYTICS_GROUP, ORDER_SALES_DLQ, ORDER_SALES_PER_MINUTE, ORDERS_LARGE
from contracts.topics import ORDER_EVENTS
from kits.kafka.admin import TopicSpec
from tests.integration.kafka.clients import topic_admin
from tests.sale_events import counted, generated
from tests.sales.harness import produce, streams
from tests.secured_kafka import SALES, Kind, Operation, SecuredKafka
from tests.waiting import eventually


async def test_the_listed_rights_are_enough_and_without_them_the_stream_waits(
    tmp_path: Path, secured_kafka: SecuredKafka
) -> None:
    """By SCRAM over TLS; no password gets into a log."""
    plain = secured_kafka.administration
    await topic_admin(plain).ensure_topics([TopicSpec(ORDER_EVENTS, 3)])
    orders = generated(50, seed=31)
    await produce(plain, ORDER_EVENTS, [each.created() for each in orders])
    async with streams(tmp_path, plain, ORDER_EVENTS) as stream:
        stream.start("one", **secured_kafka.environment(SALES))

        async def is_unready() -> bool:
            return (await stream.page("one", "/readyz"))[0] == 503

        await eventually(is_unready, poll_seconds=0.2)
        look = (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
        write = (Operation.READ, Operation.WRITE, Operation.CREATE, *look)
        await secured_kafka.allow(SALES, Kind.GROUP, ANALYTICS_GROUP, Operation.READ, prefixed=True)
        await secured_kafka.allow(SALES, Kind.TOPIC, ORDER_EVENTS, Operation.READ, *look)
        for name in (ORDER_SALES_PER_MINUTE, ORDERS_LARGE, ORDER_SALES_DLQ):
            await secured_kafka.allow(SALES, Kind.TOPIC, name, *write)
        for prefix in ("repartition__", "changelog__"):
            name = f"{prefix}{ANALYTICS_GROUP}"
            await secured_kafka.allow(SALES, Kind.TOPIC, name, *write, prefixed=True)
        ids = Operation.WRITE, Operation.DESCRIBE
        await secured_kafka.allow(SALES, Kind.TRANSACTIONAL_ID, ANALYTICS_GROUP, *ids, prefixed=True)

        async def is_told() -> bool:
            return await stream.told() == counted(orders)

        await eventually(is_told, within_seconds=90, poll_seconds=0.5)
        await stream.are_ready("one")
        assert secured_kafka.passwords[SALES] not in (tmp_path / "one.log").read_text()
