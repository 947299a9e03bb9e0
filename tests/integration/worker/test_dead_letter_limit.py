"""The dead-letter limit on real servers: it stops the group through restarts; a release lets it go on."""

from kits.observability.health import Status
from tests.integration.worker.harness import Pipeline, arrived
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
    ((dead,),) = await pipeline.rows("SELECT count(dead_at) FROM delivery.inbox_event")
    assert dead <= 10
    await pipeline.platform.faults()
    await pipeline.write([Sample("good")])
    async with pipeline.worker() as container:
        await eventually(lambda: stands(container))
        await eventually(lambda: "dead_letter_limit_tripped 1.0" in container.metrics().render().decode())
        assert (await pipeline.platform.received())["count"] == 0
        await pipeline.execute(_RELEASE)
        await arrived(pipeline, 31 - dead)
