"""A serving process and its signals."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import pytest

from tests.integration.api.raw import exchange, message, read_reply
from tests.unit.api.in_memory_shop import a_token
from tests.waiting import patient

WITHIN_SECONDS = patient(60)


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """A process that serves the shop in memory."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.api.shop_process", stdout=PIPE, stderr=PIPE
    )
    yield started
    if started.returncode is None:
        started.kill()
    await started.communicate()


async def line_of(process: Process) -> bytes:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), WITHIN_SECONDS)).strip()


async def test_the_first_signal_ends_an_idle_process_well(process: Process) -> None:
    port = int(await line_of(process))
    assert (await exchange(port, message("GET", "/products"))).status == 200
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WITHIN_SECONDS) == 0


async def an_endless_order(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The connection on which it was placed; the shop is at it."""
    port = int(await line_of(process))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"items":[{"productId":"p-1","quantity":1}]}'
    token = {"authorization": f"Bearer {a_token()}"}
    writer.write(message("POST", "/orders", body, content_type="application/json", **token))
    assert await line_of(process) == b"order"
    return reader, writer


async def test_ctrl_c_waits_for_no_request_and_ends_well(process: Process) -> None:
    reader, writer = await an_endless_order(process)
    process.send_signal(signal.SIGINT)
    assert (await asyncio.wait_for(read_reply(reader), WITHIN_SECONDS)).status == 503
    assert await asyncio.wait_for(process.wait(), WITHIN_SECONDS) == 0
    writer.close()


async def test_the_second_signal_ends_it_at_once(process: Process) -> None:
    _, writer = await an_endless_order(process)
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    async with asyncio.timeout(WITHIN_SECONDS):
        while b"stop_requested" not in (line := await process.stderr.readline()):
            assert line, "it has ended"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WITHIN_SECONDS) == 128 + signal.SIGTERM
    writer.close()
