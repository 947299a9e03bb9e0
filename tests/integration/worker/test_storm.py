"""The storm guard on real servers: its row stops the group through restarts, a command lets it go on."""

from itertools import count, islice

from kits.kafka.topic_routes import partition_for
from kits.observability.health import Status
from kits.settings import read_settings
from tests.integration.worker.harness import TOPIC_PARTITIONS, Pipeline, arrived
from tests.integration.worker.processes import finished
from tests.unit.worker.events import Sample
from tests.waiting import eventually
from worker.container import Container, LedgerContainer
from worker.settings import LedgerSettings

_STORM = "INSERT INTO delivery.delivery_storm (consumer_group, event_ids) VALUES ('data-platform', '{a,b}')"


async def stands(container: Container) -> bool:
    """Whether the worker says so."""
    found = (await container.health().report()).checks["storm_guard"]
    return found.status is Status.UNREADY and "dlq storm release" in found.detail


async def test_a_storm_stops_the_group_before_anything_of_it_is_written(pipeline: Pipeline) -> None:
    """A new worker does not begin either; after the release everything is asked again."""
    names = (f"bad-{number}" for number in count())
    # Of one partition, so that they come with one poll and go with one call, however slow the rest is.
    together = (name for name in names if partition_for(name.encode(), range(TOPIC_PARTITIONS)) == 0)
    bad = [Sample(name) for name in islice(together, 12)]
    await pipeline.platform.faults(reject={"orderIds": [sample.order_id for sample in bad]})
    await pipeline.write(bad)
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
    assert not await pipeline.rows("SELECT 1 FROM delivery.delivery WHERE status = 'dead'")
    await pipeline.platform.faults()
    await pipeline.write([Sample("good")])
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
        assert (await pipeline.platform.received())["count"] == 0
        assert "worker_storm_guard_tripped 1.0" in container.metrics().render().decode()
        assert await container.storms().release(actor="somebody", reason="mended") == 12
        await arrived(pipeline, 13)
        await eventually(pipeline.committed_everything)
    assert not await pipeline.dead_letters()


async def test_the_release_is_audited_and_done_once(pipeline: Pipeline) -> None:
    """As a command, which needs the database alone and a reason."""
    await pipeline.execute(_STORM)
    command = ("dlq", "storm", "release")
    assert (await finished(*command, DATABASE_URL=pipeline.database))[0] == 2
    given = (*command, "--reason", "the platform was mended", "--by", "operator")
    code, out, _ = await finished(*given, DATABASE_URL=pipeline.database)
    assert (code, out) == (0, "Released: 2 events that were about to die are sent again.\n")
    code, out, _ = await finished(*given, DATABASE_URL=pipeline.database)
    assert (code, out) == (0, "No storm stands: there is nothing to release.\n")
    (audit,) = await pipeline.rows("SELECT * FROM delivery.delivery_audit")
    assert (audit["actor"], audit["action"], audit["reason"]) == (
        "operator",
        "storm_release",
        "the platform was mended",
    )


async def test_the_row_of_a_storm_grows_while_it_stands_and_begins_anew_after_a_release(
    pipeline: Pipeline,
) -> None:
    """Several workers trip over it; those who were about to die are told after the release."""
    container = LedgerContainer(settings=read_settings(LedgerSettings, pipeline.environment))
    try:
        storms = container.storms()
        assert await storms.last() is None
        await storms.trip(["a"])
        standing = await storms.last()
        await storms.trip(["b"])
        assert await storms.last() == standing
        assert standing is not None
        assert not standing.is_released
        assert await storms.release(actor="x", reason="y") == 2
        released = await storms.last()
        assert released is not None
        assert released.is_released
        assert released.event_ids == {"a", "b"}
        await storms.trip(["c"])
        assert await storms.release(actor="x", reason="y") == 1
    finally:
        await container.engine().dispose()
