"""How far one event travels in the code, from its topic to its written result: calls and shapes, counted."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from devservices.instance import ROOT
from kits.kafka.places import Place
from kits.kafka.records import TopicPartition
from kits.settings import read_settings
from tests.integration.worker.harness import Platform, running_platform
from tests.unit.worker.events import TOPIC, Sample
from tests.waiting import eventually
from worker.container import Container
from worker.groups.data_platform.settings import DeliverySettings
from worker.inbox.store import InboxStore

MOVES, SHAPES = 45, 8
_EVENTS = 5
_FOLLOWED = tuple(str(ROOT / folder) + "/" for folder in ("worker", "kits/ordered_queue"))
_AT = TopicPartition(TOPIC, 0)


class Journey:
    """What one event sets going: every Python call in the files that are followed, in their order."""

    def __init__(self, *marks: object) -> None:
        """Args: marks: what makes an object hold the event: its id, its bytes."""
        self._marks = marks
        self._seen: set[FrameType] = set()
        self.files: list[str] = []
        self.is_over = False
        self.shapes: dict[type, str] = {}

    @property
    def moves(self) -> int:
        """Two calls after each other in different files."""
        return sum(one != other for one, other in zip(self.files, self.files[1:], strict=False))

    def __enter__(self) -> Self:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, result: Any) -> None:
        name = frame.f_code.co_filename
        if not name.startswith(_FOLLOWED):
            return
        if event == "return" and frame.f_code is InboxStore.settle.__code__ and isinstance(result, int):
            self.is_over = True
        if self.is_over:
            return
        # A coroutine is entered anew whenever what it awaits is there: that is no new call.
        if event == "call" and frame not in self._seen:
            self._seen.add(frame)
            if not frame.f_code.co_name.startswith("<"):
                self.files.append(name.removeprefix(f"{ROOT}/"))
        for value in list(frame.f_locals.values()):
            self._look(value)

    def _look(self, value: object) -> None:
        for each in value if isinstance(value, list | tuple) else (value,):
            if type(each) not in self.shapes and self._holds(each, depth=2):
                self.shapes[type(each)] = f"{type(each).__module__}.{type(each).__qualname__}"

    def _holds(self, value: object, *, depth: int) -> bool:
        """A record, of the product's making, that has the event's id or bytes, or another that has."""
        for name in _fields(type(value)):
            held = getattr(value, name, None)
            if any(type(held) is type(mark) and held == mark for mark in self._marks):
                return True
            if depth and self._holds(held, depth=depth - 1):
                return True
        return False


def _fields(kind: type) -> Sequence[str]:
    """Of a struct or a dataclass; nothing else is a record."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else ()


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with running_platform() as platform:
        yield platform


async def test_an_event_takes_few_calls_and_few_shapes(database_url: str, platform: Platform) -> None:
    """From the record to the written row: the shortest of five lone journeys, since others run beside it."""
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATA_PLATFORM_URL": platform.url,
    }
    container = Container(settings=read_settings(DeliverySettings, environment))
    receiver, queue = container.receiver(), container.queue()
    connection = await asyncpg.connect(database_url)
    topic_id = uuid4()
    journeys = []
    async with container._client():
        queue.start()
        await receiver.begin({_AT: Place(topic_id, 0, 0, None)})
        for offset in range(_EVENTS):
            sample = Sample(order_id=f"o-{offset}")
            record = sample.incoming(offset, partition=0)

            async def is_written(event_id: str = sample.event_id) -> bool:
                found = "SELECT delivered_at IS NOT NULL FROM delivery.inbox_event WHERE event_id = $1"
                return bool(await connection.fetchval(found, event_id))

            with Journey(sample.event_id, record.value) as journey:
                await receiver.handle({_AT: [record]})
                await eventually(is_written, poll_seconds=0.005)
            journeys.append(journey)
            await asyncio.sleep(0)
        await queue.stop(within_seconds=5)
    await connection.close()
    await container.engine().dispose()

    shortest = min(journeys, key=lambda journey: journey.moves)
    shapes = sorted(set().union(*(journey.shapes.values() for journey in journeys)))
    print(f"{shortest.moves} moves over {len(set(shortest.files))} files: {_told(shortest.files)}")  # noqa: T201
    print(f"{len(shapes)} shapes: {', '.join(shapes)}")  # noqa: T201
    assert 0 < shortest.moves <= MOVES
    assert 0 < len(shapes) <= SHAPES


def _told(files: Sequence[str]) -> str:
    steps = [file for place, file in enumerate(files) if not place or files[place - 1] != file]
    return " > ".join(Path(step).name for step in steps)
