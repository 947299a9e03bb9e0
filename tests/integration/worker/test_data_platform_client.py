"""The HTTP client against a server that answers whatever a test wants."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from kits.settings import Secret
from kits.web.bounded_response import INTERIM_ANSWERS
from tests.certificates import CertificateAuthority
from tests.unit.worker.events import Sample
from tests.waiting import patient
from worker.groups.data_platform.answers import BROKEN, TIMEOUT, UNREACHABLE, Answer
from worker.groups.data_platform.client import DataPlatformClient
from worker.inbox.item import InboxItem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(handler: Handler, *, token: str = "") -> AsyncIterator[DataPlatformClient]:
    """A client of a server that answers every request by `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/base/"
    async with DataPlatformClient(url=url, token=Secret(token), connections=4) as client:
        yield client
    await runner.cleanup()


def answering(response: Callable[[], web.Response]) -> Handler:
    """A handler that always answers the same."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return response()

    return handler


def three_events() -> list[InboxItem]:
    return [Sample(f"o-{number}", 1, event_id=f"e-{number}").item() for number in range(3)]


async def in_batch(response: Callable[[], web.Response]) -> list[Answer]:
    """What three events of a batch are answered."""
    async with client_of(answering(response)) as client:
        return await client.send_batch(three_events(), begin_within=5.0)


async def test_a_single_call_carries_the_bytes_the_key_the_place_and_the_token() -> None:
    """The body is what was on Kafka, byte for byte."""
    seen: list[tuple[str, bytes, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, await request.read(), {k.lower(): v for k, v in request.headers.items()}))
        return web.Response(status=202)

    event = Sample("o-1", 7, event_id="e-1").item()
    async with client_of(handler, token="t-1") as client:
        assert (await client.send(event, begin_within=5.0)).status == 202
    async with client_of(handler) as client:
        await client.send(event, begin_within=5.0)
    path, body, headers = seen[0]
    assert (path, body) == ("/base/order-events", event.payload)
    assert headers["idempotency-key"] == "e-1"
    assert (headers["x-order-id"], headers["x-order-seq"]) == ("o-1", "7")
    assert headers["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer t-1"
    assert "authorization" not in seen[1][2]


async def test_a_batch_carries_every_event_as_it_was() -> None:
    """With its id, order, number and trace beside it."""
    bodies: list[bytes] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == "/base/order-events/batch"
        bodies.append(await request.read())
        return web.json_response({"results": []})

    events = three_events()
    async with client_of(handler) as client:
        await client.send_batch(events, begin_within=5.0)
    sent = json.loads(bodies[0])["events"]
    assert [(each["eventId"], each["orderId"], each["seq"]) for each in sent] == [
        (f"e-{number}", f"o-{number}", 1) for number in range(3)
    ]
    assert all(each["traceparent"].startswith("00-0af76519") for each in sent)
    assert all(event.payload in bodies[0] for event in events)


async def test_each_event_of_a_batch_gets_its_own_result() -> None:
    """In the order of the events, whatever the order of the results; a missing one is told as such."""
    results = [
        {"eventId": "e-2", "status": "rejected", "reason": "no"},
        {"eventId": "another", "status": "accepted"},
        {"eventId": "e-0", "status": "accepted", "more": 1},
    ]
    first, second, third = await in_batch(lambda: web.json_response({"results": results}))
    assert (first.said, first.reason) == ("accepted", "")
    assert second.said == ""
    assert (third.said, third.reason) == ("rejected", "no")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"[]",
        b"{}",
        b'{"results":[{"status":"accepted"}]}',
        b"\xff",
        b"[" * 99_999,
        b" " * 2_000_000,
    ],
)
async def test_a_200_that_cannot_be_read_judges_nothing(body: bytes) -> None:
    """Also one without an end: at most 1 MiB is read."""
    answers = await in_batch(lambda: web.Response(body=body))
    assert {answer.is_unreadable for answer in answers} == {True}


@pytest.mark.parametrize("status", [202, 207, 302, 400, 404, 500, 503])
async def test_any_other_status_is_the_answer_of_all_events_of_a_batch(status: int) -> None:
    """With the time that the platform asks for."""
    answers = await in_batch(lambda: web.Response(status=status, headers={"Retry-After": "9"}))
    assert [(a.said, a.status, a.batch, a.retry_after_seconds) for a in answers] == [
        (None, status, True, 9.0)
    ] * 3


async def test_redirects_are_not_followed() -> None:
    """An event must not go where nobody has sent it."""
    calls: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        calls.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with client_of(handler) as client:
        assert (await client.send(Sample().item(), begin_within=5.0)).status == 307
    assert calls == ["/base/order-events"]


async def test_an_answer_without_an_end_is_cut() -> None:
    """A platform that streams for ever costs 1 MiB and one connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=422)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            return response

    async with client_of(handler) as client, asyncio.timeout(patient(60)):
        answer = await client.send(Sample().item(), begin_within=5.0)
    assert answer.status == 422
    assert len(answer.reason) == 500


async def test_what_is_not_an_answer_says_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, a broken one, and none in time are three different things."""

    async def breaking(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def hanging(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    event = Sample().item()
    async with client_of(breaking) as client:
        assert (await client.send(event, begin_within=5.0)).failure == BROKEN
    monkeypatch.setattr("worker.groups.data_platform.client._TIMEOUT_SECONDS", 0.2)
    async with client_of(hanging) as client:
        assert (await client.send(event, begin_within=5.0)).failure == TIMEOUT
        assert {answer.failure for answer in await client.send_batch([event], begin_within=5.0)} == {TIMEOUT}
    nowhere = DataPlatformClient(url="http://127.0.0.1:1", token=Secret(""), connections=1)
    async with nowhere as client:
        assert (await client.send(event, begin_within=5.0)).failure == UNREACHABLE


async def test_a_stream_of_interim_answers_is_given_up() -> None:
    """Some are fine; without a bound 200,000 of them would keep the worker from everything else."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    counts = iter([INTERIM_ANSWERS, 200_000])
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            writer.write(interim * next(counts) + final)
            await writer.drain()
            await reader.read()
        except ConnectionError:
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with DataPlatformClient(url=url, token=Secret(""), connections=1) as client:
            (event, *_) = three_events()
            assert (await client.send(event, begin_within=5.0)).status == 202
        async with DataPlatformClient(url=url, token=Secret(""), connections=1) as client:
            broken = await client.send(event, begin_within=5.0)
            assert broken.failure == BROKEN
            assert "interim" in broken.reason
            await asyncio.wait_for(gone.wait(), patient(10))


async def test_a_platform_with_an_authority_of_its_own(tmp_path: Path) -> None:
    """It is trusted when the authority is named, and not before."""
    authority = CertificateAuthority(tmp_path, "ca")
    certificate, key = authority.issue("platform")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/order-events", answering(lambda: web.Response(status=202)))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    failures = []
    for ca_file in (str(authority.file), ""):
        client = DataPlatformClient(url=url, token=Secret("t"), connections=1, ca_file=ca_file)
        async with client:
            failures.append((await client.send(three_events()[0], begin_within=5.0)).failure)
    await runner.cleanup()
    assert failures == ["", UNREACHABLE]


async def test_what_is_replayed_says_so() -> None:
    """By a header, in single calls and in batches; nothing else has it."""
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("X-Replay"))
        return web.json_response({"results": []})

    async with client_of(handler) as client:
        for replayed in (True, False):
            item = Sample().item(replayed=replayed)
            await client.send(item, begin_within=5.0)
            await client.send_batch([item], begin_within=5.0)
    assert seen == ["true", "true", None, None]


async def test_a_connection_that_is_not_made_in_time_sends_nothing() -> None:
    """An event whose lease is about to end must not leave after it."""
    accepted, gone = asyncio.Event(), asyncio.Event()

    async def never_answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        while await reader.read(65_536):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(never_answering, "127.0.0.1", 0)
    async with server:
        # TLS begins with a handshake that this server never answers.
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with DataPlatformClient(url=url, token=Secret(""), connections=1) as client:
            answer = await client.send(Sample().item(), begin_within=0.1)
        await asyncio.wait_for(gone.wait(), patient(10))
    assert (answer.failure, accepted.is_set()) == (UNREACHABLE, True)


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8"])
async def test_a_web_page_is_told_from_an_answer(kind: str) -> None:
    """A proxy's login page is a 200 too."""
    async with client_of(answering(lambda: web.Response(headers={"Content-Type": kind}))) as client:
        assert (await client.send(Sample().item(), begin_within=5.0)).is_page
