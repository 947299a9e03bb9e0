"""The dead-letter limit on real servers: it stops the group through restarts; a release lets it go on."""

from kits.observability.health import Status
from tests.integration.worker.harness import Pipeline, arrived
from tests.integration.worker.processes import commanded
from tests.unit.worker.events import Sample
from tests.waiting import eventually
from worker.container import Container

_RELEASE = "UPDATE delivery.inbox_group SET tripped_at = NULL, deaths = '{}'"


async def stands(container: Container) -> bool:
    """Whether the worker says so."""
    found = (await container.health().report()).checks["dead_letter_limit"]
    return found.status is Status.UNREADY and "release" in found.detail


async def test_too_many_dead_letters_stop_the_group_and_the_rest_of_them_lives(pipeline: Pipeline) -> None:
    """Ten may die; a new worker does not send either; after the release everything else is sent again."""
    bad = [Sample(f"bad-{number}") for number in range(30)]
    await pipeline.platform.faults(reject={"orderIds": [sample.order_id for sample in bad]})
    await pipeline.write(bad)
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
    dead = await dead_letters(pipeline)
    assert dead <= 10
    await pipeline.platform.faults()
    await pipeline.write([Sample("good")])
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
        await eventually(lambda: "dead_letter_limit_tripped 1.0" in container.metrics().render().decode())
        assert (await pipeline.platform.received())["count"] == 0
        await pipeline.execute(_RELEASE)
        await arrived(pipeline, 31 - dead)


async def test_an_operator_reads_why_it_stands_and_the_release_tries_one_event_before_the_rest(
    pipeline: Pipeline,
) -> None:
    """Refused still, they go one by one; when one is taken the rest follows."""
    bad = [Sample(f"bad-{number}") for number in range(30)]
    await pipeline.platform.faults(reject={"orderIds": [sample.order_id for sample in bad]})
    await pipeline.write(bad)
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
        listed = await commanded(pipeline, "dlq", "list")
        first, tally, ids, *_ = listed.out.splitlines()
        assert first.startswith("The dead-letter limit stands since ")
        assert "x rejected batch_rejected: rejected as the fault switches say" in tally
        assert len(set(ids.replace(",", "").split()) & {sample.event_id for sample in bad}) == 3
        before = (await pipeline.platform.received())["refused"]["rejected"]
        released = await commanded(pipeline, "dlq", "release", "--reason", "mended, they say")
        assert (released.code, released.out.splitlines()[1]) == (0, tally)

        async def one_has_died() -> bool:
            return await dead_letters(pipeline) > 0

        await eventually(one_has_died)
        await pipeline.platform.faults()
        after = (await pipeline.platform.received())["refused"]["rejected"]
        assert 0 < after - before <= 11
        # On a slow machine the limit may stand once more by now.
        await pipeline.execute(_RELEASE)

        async def the_rest_has_arrived() -> bool:
            return int((await pipeline.platform.received())["count"]) + await dead_letters(pipeline) == 30

        await eventually(the_rest_has_arrived)


async def dead_letters(pipeline: Pipeline) -> int:
    """How many there are."""
    ((dead,),) = await pipeline.rows("SELECT count(dead_at) FROM delivery.inbox_event")
    return int(dead)
