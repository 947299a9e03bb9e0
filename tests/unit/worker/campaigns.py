"""The kinds of simulated runs: what each seed goes through."""

import asyncio

from tests.unit.worker.group import until
from tests.unit.worker.simulation import LONELY, World
from tests.virtual_time import run_virtually

KINDS = 8
TURNS = 60_000


async def faults(world: World) -> None:
    """Outages, rebalances, crashes, gaps, repeats, and bad events among them, which stay bad."""
    world.invariants.spends_nothing = True
    world.make(8, poison=0.04, lonely=0.04)
    await with_faults(world)


async def soft_outages(world: World) -> None:
    """Outages that look like the fault of single events: nobody dies of them."""
    world.outages = LONELY
    world.make(12, poison=0.04)
    await with_faults(world)


async def with_faults(world: World) -> None:
    """Faults while events come in; at the end all is decided, while other orders go on."""
    await world.join()
    disturbing = asyncio.create_task(world.disturb(world.rng.randint(2, 7)))
    await world.write()
    await disturbing
    traffic = asyncio.create_task(world.traffic())
    await world.settled()
    if world.chance(0.5):
        world.lonely.clear()
    await world.all_decided()
    traffic.cancel()
    world.check_end()


async def storm(world: World) -> None:
    """More poison than the guard lets pass: the group stands until it is released."""
    world.make(16)
    bad = [events[0] for events in list(world.orders.values())[: world.rng.randint(11, 16)]]
    world.invariants.poison |= {event.event_id for event in bad}
    await world.join()
    await world.write()
    await until(lambda: world.storms.stands, within_seconds=100)
    await asyncio.sleep(world.rng.uniform(0, 30))
    if world.chance(0.5):
        await world.change_members("join")
        await asyncio.sleep(20)
    await release(world)
    await world.settled()
    await world.all_decided()
    world.check_end()


async def release(world: World) -> None:
    """An operator lets the group go on, again if need be."""
    world.storms.release()
    world.invariants.released = True
    world.invariants.stands_since = None


async def few_dead(world: World) -> None:
    """Ten dead letters and everything that they hold are no storm."""
    world.make(14)
    bad = [events[0] for events in list(world.orders.values())[:10]]
    world.invariants.poison |= {event.event_id for event in bad}
    await with_faults(world)


async def alone(world: World) -> None:
    """One order in the whole system, failing for a while: nothing shows whose fault it is."""
    world.invariants.spends_nothing = True
    world.make(1)
    (order,) = world.orders.values()
    world.lonely = {event.event_id: world.rng.choice(LONELY[:1]) for event in order}
    await world.join()
    world.log.append(order, partitions=2)
    await asyncio.sleep(world.rng.uniform(1, 40))
    world.lonely.clear()
    await world.settled()
    world.check_end()


def run(seed: int) -> None:
    """One run; it repeats itself exactly. Raises BrokenPromiseError, or TimeoutError if nothing goes on."""
    kind = {1: storm, 2: few_dead, 3: alone, 4: soft_outages}.get(seed % KINDS, faults)

    async def campaign() -> None:
        world = World(seed)
        try:
            await kind(world)
        finally:
            await world.end()

    run_virtually(campaign(), turns_allowed=TURNS)
