"""Kafka kit: the only place that touches what aiokafka keeps private; its version is pinned for it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition

from kits.kafka.records import TopicPartition


async def end_sender(producer: AIOKafkaProducer, *, within_seconds: float) -> bool:
    """Cancel the task that writes to the brokers and wait for its end; True if it ended in time.

    Without this a stop() that meets its bound leaves the task alive, and it delivers its records later.
    """
    task = cast("asyncio.Task[None] | None", producer._sender.sender_task)  # noqa: SLF001
    if task is None:
        return True
    task.cancel()
    await asyncio.wait([task], timeout=within_seconds)
    return task.done()


def fetcher_failed(consumer: AIOKafkaConsumer) -> bool:
    """Whether the background fetch has died; getmany would go on returning nothing for ever."""
    fetcher = consumer._fetcher  # noqa: SLF001
    return fetcher is not None and bool(fetcher.error_future.done())


def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Whether the group still knows this consumer.

    Once it was thrown out it would commit without a generation, which an empty group accepts.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    return coordinator is not None and coordinator.generation > 0


def raise_coordination_error(consumer: AIOKafkaConsumer) -> None:
    """Raise what keeps this consumer out of its group; getmany would wait for an assignment instead.

    Raises:
        aiokafka.errors.KafkaError: no right to the group, a coordinator that fails, a task that died.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if coordinator is not None:
        coordinator.check_errors()


def note_poll(consumer: AIOKafkaConsumer) -> None:
    """Count as a poll for the client's max.poll.interval.

    A member whose clock ran out joins its group again only after a fetch, and nothing is fetched without an
    assignment.
    """
    with consumer._subscription.fetch_context():  # noqa: SLF001
        pass


def position_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int | None:
    """The next offset to be fetched, None while it is not known; unlike position() it never waits."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    assignment = None if subscription is None else subscription.assignment
    state = None
    if assignment is not None:
        state = assignment.state_value(ClientPartition(partition.topic, partition.partition))
    return int(state.position) if state is not None and state.has_valid_position else None


def when_sender_ends(producer: AIOKafkaProducer, tell: Callable[[], None]) -> None:
    """Call `tell` as soon as the task that writes to the brokers is over, for whatever reason."""
    task = cast("asyncio.Task[None]", producer._sender.sender_task)  # noqa: SLF001
    task.add_done_callback(lambda _task: tell())


def abandon_batches(producer: AIOKafkaProducer, error: Exception) -> None:
    """Fail every batch without an answer; the end of the sender alone leaves them open for ever."""
    accumulator = producer._message_accumulator  # noqa: SLF001
    waiting = [batch for batches in accumulator._batches.values() for batch in batches]  # noqa: SLF001
    for batch in [*waiting, *accumulator._pending_batches]:  # noqa: SLF001
        if not batch.future.done():
            batch.future.set_exception(error)
            batch.future.exception()
    accumulator._batches.clear()  # noqa: SLF001


async def end_consumer(consumer: AIOKafkaConsumer, *, within_seconds: float) -> None:
    """End what stop() left running: when it raises or is cut off, the rest stays a ghost in the group."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
    tasks: list[asyncio.Task[object] | None] = []
    if coordinator is not None:
        tasks += [
            coordinator._coordination_task,  # noqa: SLF001
            coordinator._heartbeat_task,  # noqa: SLF001
            coordinator._commit_refresh_task,  # noqa: SLF001
        ]
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=within_seconds)
    if coordinator is not None:
        # Does nothing after an orderly stop; otherwise the others need not wait for the session timeout.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await coordinator._maybe_leave_group()  # noqa: SLF001
    async with asyncio.timeout(within_seconds):
        await consumer._client.close()  # noqa: SLF001
