"""The data platform was restored to an earlier time: an operator brings everything again."""

import aiohttp

from tests.integration.worker.harness import Pipeline, arrived
from tests.integration.worker.processes import commanded
from tests.unit.worker.events import an_order
from tests.waiting import eventually


async def test_a_replay_brings_everything_again_in_order_with_the_bytes_of_the_topic(
    pipeline: Pipeline,
) -> None:
    """Beside new events of the same orders, which wait for their turn; the offsets stay where they are."""
    orders = {f"o-{number}": an_order(f"o-{number}", 4) for number in range(10)}
    await pipeline.write(event for seq in range(3) for event in (order[seq] for order in orders.values()))
    async with pipeline.worker():
        await arrived(pipeline, 30)
        await pipeline.all_delivered(30)
        await forget(pipeline)
        replayed = await commanded(pipeline, "replay", "--since", "1d", "--reason", "restored", "--yes")
        assert (replayed.code, replayed.out) == (0, "30 events come again.\n")
        await pipeline.write(order[3] for order in orders.values())
        await arrived(pipeline, 40)
        await pipeline.all_delivered(40)
        await eventually(pipeline.committed_everything)
    summary = await pipeline.platform.received()
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (40, 0, 0)
    for order_id in orders:
        assert await pipeline.platform.seqs(order_id) == [1, 2, 3, 4]


async def forget(pipeline: Pipeline) -> None:
    """The platform knows nothing any more."""
    address = f"{pipeline.platform.url}/received"
    async with aiohttp.ClientSession() as session, session.delete(address) as answer:
        assert answer.status == 204
