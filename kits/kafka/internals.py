"""Kafka kit: the only place that touches what aiokafka keeps private; its version is pinned for it."""

import asyncio
import contextlib
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as ClientPartition
from aiokafka.admin import AIOKafkaAdminClient

from kits.kafka.records import TopicPartition


async def start_client(client: AIOKafkaAdminClient | AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Start it; cut off in between it leaves no open connection, which its own close() would not know of.

    Raises: as the client's own start().
    """
    try:
        await client.start()
    except asyncio.CancelledError as cut_off:
        for frame, _line in traceback.walk_tb(cut_off.__traceback__):
            # Only bootstrap() of the client holds the connection on which it asks for the brokers.
            if (connection := frame.f_locals.get("bootstrap_conn")) is not None:
                connection.close()
        raise


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


def assignment_of(consumer: AIOKafkaConsumer) -> Any:
    """What the group gave this member, another object each time (`.tps`); None while it is given anew."""
    subscription = consumer._subscription  # noqa: SLF001
    if subscription.subscription is None or subscription.reassignment_in_progress:
        return None
    return subscription.subscription.assignment


def held_assignment(consumer: AIOKafkaConsumer) -> Any:
    """As assignment_of(), also while the group takes it back: until this member has joined again it holds."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    return None if subscription is None else subscription.assignment


def fetched_partitions(consumer: AIOKafkaConsumer) -> list[ClientPartition]:
    """The partitions of which something waits to be taken, a complaint perhaps."""
    return list(consumer._fetcher._records)  # noqa: SLF001


async def take_fetched(
    consumer: AIOKafkaConsumer, partition: ClientPartition, max_records: int
) -> Sequence[Any]:
    """Take what was fetched of one partition; nothing is waited for.

    getmany() of all would lose the records of the others when those of one cannot be unpacked, and would
    count as a poll that never ends.

    Raises:
        Exception: whatever the client complains of, or unpacking raises; the position has not moved.
    """
    if assignment_of(consumer) is None:
        return ()
    found = await consumer._fetcher.fetched_records((partition,), 0, max_records)  # noqa: SLF001
    return cast("Sequence[Any]", found.get(partition, ()))


async def wait_for_fetched(consumer: AIOKafkaConsumer, *, within_seconds: float) -> None:
    """Until something new was fetched, or the group has given the partitions anew, or the time is over."""
    if assignment_of(consumer) is None:
        waiter = consumer._subscription.wait_for_assignment()  # noqa: SLF001
    else:
        waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001
    try:
        await asyncio.wait([waiter], timeout=within_seconds)
    finally:
        if not waiter.cancel() and not waiter.cancelled():
            # What went wrong is told by raise_coordination_error().
            waiter.exception()


def silent_seconds(consumer: AIOKafkaConsumer, partition: ClientPartition) -> float:
    """Since when no fetch of this partition was answered without an error, or since note_fetch()."""
    state = consumer._subscription.subscription.assignment.state_value(partition)  # noqa: SLF001
    return time.time() - float(state.timestamp or 0) / 1000


def note_fetch(consumer: AIOKafkaConsumer, partition: ClientPartition) -> None:
    """Count the silence of this partition from now on."""
    state = consumer._subscription.subscription.assignment.state_value(partition)  # noqa: SLF001
    state.timestamp = int(time.time() * 1000)


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
    if consumer._group_id is None:  # noqa: SLF001
        # It has a stand-in that belongs to no group.
        coordinator = None
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
