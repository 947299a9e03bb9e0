"""New connections are taken a few at a time; the rest waits in the system's queue."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator

import pytest

from kits.web.server import acceptor
from kits.web.server.acceptor import Acceptor
from tests.waiting import eventually

CROWD = 30


class Places(asyncio.Protocol):
    """Counts what was accepted, as its own protocol."""

    def __init__(self) -> None:
        self.accepted: list[asyncio.BaseTransport] = []
        self.is_full = False

    def new_connection(self) -> asyncio.Protocol:
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.accepted.append(transport)


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    """A listening socket with a crowd in its queue."""
    with socket.create_server(("127.0.0.1", 0), backlog=2 * CROWD) as listening:
        listening.settimeout(0.0)
        crowd = [socket.create_connection(listening.getsockname()) for _ in range(CROWD)]
        yield listening
    for each in crowd:
        each.close()


async def test_a_crowd_is_taken_a_few_at_a_time_and_whole(listener: socket.socket) -> None:
    """In no round of the loop more than eight."""
    places = Places()
    accepting = Acceptor(listener, places)
    most = before = 0
    while len(places.accepted) < CROWD:
        await asyncio.sleep(0)
        most, before = max(most, len(places.accepted) - before), len(places.accepted)
    assert most <= 8
    accepting.close()


async def test_when_all_places_are_taken_one_is_taken_at_a_time(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one after a rest, which here is longer than the test."""
    monkeypatch.setattr(acceptor, "_FULL_SECONDS", 3600.0)
    places = Places()
    places.is_full = True
    accepting = Acceptor(listener, places)
    await eventually(lambda: places.accepted)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(places.accepted) == 1
    accepting.close()


async def test_nothing_is_taken_after_the_end(listener: socket.socket) -> None:
    """The queue is left to the socket's owner."""
    places = Places()
    Acceptor(listener, places).close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert places.accepted == []


class Exhausted(socket.socket):
    """Has no file left for a connection, twice."""

    failures = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_a_process_without_files_rests_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its open connections go on meanwhile, and nobody who waits is forgotten."""
    monkeypatch.setattr(acceptor, "_EXHAUSTED_SECONDS", 0.01)
    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.0)
        with socket.create_connection(listening.getsockname()):
            places = Places()
            accepting = Acceptor(listening, places)
            await eventually(lambda: places.accepted)
            accepting.close()
    assert listening.failures == 0
