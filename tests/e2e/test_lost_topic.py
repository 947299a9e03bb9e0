"""The topic is lost, or a part of it passed over: what was accepted arrives. Shop and inbox live apart."""

import json
import shlex
import signal
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.topics import ORDER_EVENTS, ORDER_EVENTS_PARTITIONS
from tests.commands import run_command
from tests.e2e.pipeline import Pipeline
from tests.waiting import eventually


async def command(pipeline: Pipeline, *words: str) -> str:
    """What a command of the worker, or of the app, prints."""
    names = ("DATABASE_URL", "WORKER_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")
    settings = pipeline.environment | pipeline.more["worker"]
    done = await run_command(*words, given=b"", **{name: settings[name] for name in names})
    assert done.code == 0, done.err
    return done.out


async def stop_worker(pipeline: Pipeline) -> None:
    """Let it drain."""
    pipeline.processes["worker"].send_signal(signal.SIGTERM)
    await pipeline.ended("worker")


async def lose_topic(pipeline: Pipeline) -> None:
    """Delete it, accept six orders, and make it anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([ORDER_EVENTS])
        await pipeline.orders(6)
        await admin.create_topics([NewTopic(ORDER_EVENTS, ORDER_EVENTS_PARTITIONS, 1)])
    finally:
        await admin.close()


async def everything_is_published(pipeline: Pipeline) -> bool:
    """Whether the outbox waits for nothing more."""
    evidence = await pipeline.evidence()
    return len(evidence.orders) == len(pipeline.accepted) and not evidence.unpublished


async def test_orders_arrive_whatever_becomes_of_the_topic_while_the_worker_is_stopped(
    pipeline: Pipeline, empty_database_url: str
) -> None:
    """In turn:

    - the topic is deleted, six orders are accepted, and it is made anew: without any command all six arrive;
    - what `offsets seek` passed over is brought by the very command that it prints.
    """
    pipeline.more["worker"] = {"WORKER_DATABASE_URL": empty_database_url}
    await command(pipeline, "worker", "migrate")
    await pipeline.start_all()
    await pipeline.orders(6)
    await pipeline.everything_arrived()
    await stop_worker(pipeline)
    await lose_topic(pipeline)
    pipeline.start_worker()
    await pipeline.everything_arrived()
    await stop_worker(pipeline)

    await pipeline.orders(6)
    await eventually(lambda: everything_is_published(pipeline))
    shown: list[dict[str, Any]] = json.loads(await command(pipeline, "worker", "offsets", "show", "--json"))
    partition, end = next(
        (each["partition"], each["logEnd"]) for each in shown if each["nextOffset"] < each["logEnd"]
    )
    place = ("--partition", str(partition), "--offset", str(end))
    said = await command(pipeline, "worker", "offsets", "seek", *place, "--reason", "lost", "--yes")
    _, printed, *_ = said.split("`")
    await command(pipeline, *shlex.split(printed)[2:-1], "brought again")
    pipeline.start_worker()
    await pipeline.everything_arrived()
    summary = await pipeline.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (18, 0, 0)
