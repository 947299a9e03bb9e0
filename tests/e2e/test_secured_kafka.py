"""Both processes on a broker that checks who comes, with their rights and without."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from contracts.topics import DATA_PLATFORM_DLQ, DATA_PLATFORM_GROUP, ORDER_EVENTS
from kits.kafka.admin import TopicSpec
from tests.conftest import execute
from tests.e2e.pipeline import Pipeline
from tests.integration.kafka.clients import topic_admin
from tests.secured_kafka import API, WORKER, Kind, Operation, SecuredKafka
from tests.waiting import eventually


@pytest.fixture
async def secured(tmp_path: Path, database_url: str, secured_kafka: SecuredKafka) -> AsyncIterator[Pipeline]:
    """A pipeline whose users have the rights that the README lists, the dead-letter topic's apart."""
    topic, group = Kind.TOPIC, Kind.GROUP
    made = (Operation.CREATE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    await secured_kafka.allow(API, topic, ORDER_EVENTS, Operation.WRITE, *made)
    await secured_kafka.allow(API, group, DATA_PLATFORM_GROUP, Operation.DESCRIBE)
    await secured_kafka.allow(WORKER, topic, ORDER_EVENTS, Operation.READ, *made)
    await secured_kafka.allow(WORKER, group, DATA_PLATFORM_GROUP, Operation.READ)
    pipeline = Pipeline(tmp_path, database_url, secured_kafka.server)
    yield pipeline
    await pipeline.stop()


def said(pipeline: Pipeline, process: str, event: str) -> list[dict[str, str]]:
    """The lines of a process's log with this event."""
    lines = (pipeline.directory / f"{process}.log").read_text().splitlines()
    # The last one may be half written.
    whole = [line for line in lines if line.startswith("{") and line.endswith("}")]
    found = [json.loads(line) for line in whole if f'"{event}"' in line]
    return [line for line in found if line["event"] == event]


async def readiness(port: int) -> tuple[int, str]:
    """What a process's readiness probe answers."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/readyz") as answer,
        ):
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return 0, ""


async def test_wrong_passwords_leave_the_shop_open_and_the_worker_waiting_and_right_ones_deliver(
    secured: Pipeline, secured_kafka: SecuredKafka
) -> None:
    await secured.seed()
    await secured.start_platform()
    secured.more = {"api": secured_kafka.environment(API, KAFKA_SASL_PASSWORD="guessed-wrongly")}
    secured.more["worker"] = secured_kafka.environment(WORKER, KAFKA_SASL_PASSWORD="guessed-wrongly")
    await secured.start_api()
    secured.start_worker()
    assert len([order for order in await secured.orders(3) if order]) == 3
    _, worker_port, _, ops_port = secured.ports

    async def both_say_why() -> bool:
        degraded = (await readiness(ops_port))[1].count("degraded")
        unready = (await readiness(worker_port))[0] == 503
        return bool(
            degraded
            and unready
            and said(secured, "api", "topic_not_checked")
            and said(secured, "worker", "former_worker_awaited")
        )

    await eventually(both_say_why)
    for line in (
        *said(secured, "api", "topic_not_checked"),
        *said(secured, "worker", "former_worker_awaited"),
    ):
        assert "KAFKA_SASL_PASSWORD" in line.get("why", line.get("reason", ""))
    assert (await readiness(ops_port))[0] == 200
    for name in ("api", "worker"):
        assert secured.processes[name].alive
        secured.kill(name)

    secured.more = {
        "api": secured_kafka.environment(API),
        "worker": secured_kafka.environment(WORKER),
    }
    await secured.start_api()
    secured.start_worker()
    await secured.orders(3)
    await secured.everything_arrived()
    await the_copies_follow(secured, secured_kafka)
    await secured.promises_are_kept()
    for name in ("api", "worker"):
        log = (secured.directory / f"{name}.log").read_text()
        for password in ("guessed-wrongly", *secured_kafka.passwords.values()):
            assert password not in log


async def the_copies_follow(secured: Pipeline, secured_kafka: SecuredKafka) -> None:
    """The dead-letter topic is forbidden, and is not there: nothing stops; then it is made, and allowed."""
    arrived = len(secured.accepted)
    await secured.faults(reject={"everyNth": 1})
    await secured.orders(1)
    await eventually(lambda: said(secured, "worker", "event_died"))
    await secured.faults()
    await secured.orders(2)

    async def others_have_arrived() -> bool:
        return int((await secured.received())["orders"]) == arrived + 2

    await eventually(others_have_arrived)
    await eventually(lambda: said(secured, "worker", "dead_letters_not_copied"))
    await topic_admin(secured_kafka.administration).ensure_topics([TopicSpec(DATA_PLATFORM_DLQ, 3)])
    described = (Operation.CREATE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    await secured_kafka.allow(WORKER, Kind.TOPIC, DATA_PLATFORM_DLQ, Operation.WRITE, *described)

    async def is_copied() -> bool:
        # What failed is tried again after a while.
        await execute(secured.database_url, "UPDATE delivery.inbox_event SET dlq_due_at = NULL")
        return len((await secured.evidence()).dead_letters) == 1

    await eventually(is_copied, poll_seconds=0.5)
    await secured.run("worker", "dlq", "redrive")
    await secured.everything_arrived()
