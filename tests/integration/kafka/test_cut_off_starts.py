"""A client that is cut off while it connects leaves no connection behind, wherever it stands."""

import asyncio
import gc
import struct
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kits.kafka.group_admin import GroupAdmin
from kits.kafka.group_reader import GroupReader
from kits.kafka.log_reader import LogReader
from kits.kafka.partition_tail import PartitionTail
from kits.kafka.producer_session import ProducerSession
from kits.kafka.records import TopicPartition
from tests.integration.kafka.clients import PLAIN, topic_admin
from tests.waiting import patient

API_VERSIONS = 18


class MuteBroker(asyncio.BufferedProtocol):
    """Says what it can, and is silent when it is asked for anything else."""

    def __init__(self, asked: asyncio.Event) -> None:
        self._asked = asked
        self._buffer = bytearray(65_536)
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._size :]

    def buffer_updated(self, nbytes: int) -> None:
        self._size += nbytes
        length, api, _version, correlation = struct.unpack_from(">ihhi", self._buffer)
        if self._size < 4 + length:
            return
        self._size = 0
        if api != API_VERSIONS:
            self._asked.set()
            return
        versions = [struct.pack(">hhh", key, 0, 0) for key in range(80)]
        answer = struct.pack(">ihi", correlation, 0, len(versions)) + b"".join(versions)
        self._transport.write(struct.pack(">i", len(answer)) + answer)


@asynccontextmanager
async def mute_broker(asked: asyncio.Event) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: MuteBroker(asked), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def look_up(servers: str) -> None:
    await topic_admin(servers).topic_limit("t")


async def read_a_log(servers: str) -> None:
    async with LogReader(bootstrap_servers=servers, security=PLAIN, client_id="test"):
        pass


async def move_a_group(servers: str) -> None:
    admin = GroupAdmin(bootstrap_servers=servers, security=PLAIN, client_id="test", group="g")
    await admin.commit({TopicPartition("t", 0): 1})


async def join_a_group(servers: str) -> None:
    await GroupReader(
        bootstrap_servers=servers, security=PLAIN, client_id="test", group="g", topics=["t"]
    ).start()


async def read_a_partition(servers: str) -> None:
    await PartitionTail(bootstrap_servers=servers, security=PLAIN, client_id="test", topic="t", slot=0).open()


async def open_a_producer(servers: str) -> None:
    await ProducerSession.open({"bootstrap_servers": servers, "enable_idempotence": True}, ["t"])


@pytest.mark.parametrize(
    "start", [look_up, read_a_log, move_a_group, join_a_group, read_a_partition, open_a_producer]
)
async def test_a_client_cut_off_before_it_knows_the_cluster_closes_its_connection(
    start: Callable[[str], Awaitable[None]],
) -> None:
    asked = asyncio.Event()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with mute_broker(asked) as servers:
            starting = asyncio.ensure_future(start(servers))
            await asyncio.wait_for(asked.wait(), patient(30))
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            del starting
            gc.collect()
    assert [str(each.message) for each in warned] == []
