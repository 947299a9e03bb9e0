"""Sellers' names from the Member API over HTTP, whatever it and the network do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from app.clients import member_api, member_directory
from app.clients.member_directory import MemberDirectory
from app.domain.seller import SellerSource
from app.settings import MemberApiSettings
from chaos.proxy import FaultProxy, Forecast, Weather
from kits.observability.health import Status
from kits.observability.metrics import Metrics
from kits.observability.traces import current_traceparent, trace_id
from kits.resilience.breaker_gauge import BreakerGauge
from kits.settings import Secret
from tests.member_server import MemberServer, member_server
from tests.unit.kits.test_breaker import SteppedClock
from tests.waiting import eventually, patient

FOUND, CACHED = SellerSource.MEMBER_API, SellerSource.CACHE
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Asking:
    """A directory, and what it tells of itself."""

    def __init__(self, url: str, token: str = "") -> None:
        self.clock = SteppedClock()
        self.metrics = Metrics()
        settings = MemberApiSettings(url=url, token=Secret(token))
        self.directory: MemberDirectory = member_directory.member_directory(
            settings, self.clock, self.metrics, BreakerGauge(self.metrics)
        )

    async def name(self, member_id: str = "m-1") -> tuple[str, SellerSource] | None:
        """What is known of a member, without its time."""
        seller = await self.directory.seller(member_id)
        return (seller.name, seller.source) if seller else None

    async def names(self, *member_ids: str) -> list[tuple[str, SellerSource] | None]:
        """The same of many at a time."""
        return list(await asyncio.gather(*(self.name(each) for each in member_ids)))

    def tries(self, outcome: str) -> int:
        """How many ended so."""
        name = f'member_api_tries_total{{outcome="{outcome}"}} '
        line = next(line for line in self.metrics.render().decode().splitlines() if line.startswith(name))
        return int(float(line.removeprefix(name)))

    async def is_degraded(self) -> bool:
        """What the probes say."""
        return (await self.directory.check()).status is Status.DEGRADED


@asynccontextmanager
async def asking(url: str, token: str = "") -> AsyncIterator[Asking]:
    """Started, and stopped after the block."""
    asked = Asking(url, token)
    await asked.directory.start()
    try:
        yield asked
    finally:
        await asked.directory.stop()


@pytest.fixture
async def server() -> AsyncIterator[MemberServer]:
    """A service that knows one member."""
    async with member_server() as running:
        running.names["m-1"] = "Hong Gildong"
        yield running


@pytest.fixture
async def asked(server: MemberServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    """A directory of that service, which has time: what is tested is no time-out."""
    monkeypatch.setattr(member_api, "TRY_SECONDS", patient(30))
    monkeypatch.setattr(member_api, "WITHIN_SECONDS", patient(60))
    async with asking(server.url, "t-1") as directory:
        yield directory


async def test_a_name_is_asked_for_once_a_minute(server: MemberServer, asked: Asking) -> None:
    """With the token and the trace; then it comes from memory, and when it was asked stays with it."""
    current_traceparent.set(TRACE)
    first = await asked.directory.seller("m-1")
    asked.clock.time = 59.0
    again = await asked.directory.seller("m-1")
    assert first is not None
    assert again is not None
    assert [(each.id, each.name, each.source) for each in (first, again)] == [
        ("m-1", "Hong Gildong", FOUND),
        ("m-1", "Hong Gildong", CACHED),
    ]
    assert first.as_of == again.as_of
    (request,) = server.seen
    assert (request.path, request.headers["authorization"]) == ("/base/users/m-1", "Bearer t-1")
    assert trace_id(request.headers["traceparent"]) == trace_id(TRACE)
    server.names["m-1"] = "Hong Gil-dong"
    asked.clock.time = 61.0
    assert await asked.name() == ("Hong Gil-dong", FOUND)


@pytest.mark.parametrize(
    "member_id", ["a/b", "../x", "%2e%2e", "a%2Fb", "a?b#c", "m;1", "a\\b", "a+b", "@[]:&"]
)
async def test_any_id_is_one_segment_of_the_path(server: MemberServer, asked: Asking, member_id: str) -> None:
    """It can lead nowhere else."""
    server.names[member_id] = "Odd"
    assert await asked.name(member_id) == ("Odd", FOUND)
    assert server.seen[0].raw_path.startswith("/base/users/")


@pytest.mark.parametrize("member_id", [".", ".."])
async def test_what_would_be_a_step_up_the_path_is_no_member(
    server: MemberServer, asked: Asking, member_id: str
) -> None:
    """A server could read it so, however it is written."""
    assert await asked.name(member_id) is None
    assert server.seen == []


async def test_an_unknown_member_is_not_asked_for_again_and_no_fault(
    server: MemberServer, asked: Asking
) -> None:
    """For a minute; however many they are the breaker stays closed, and a name that was known is gone."""
    assert await asked.name() == ("Hong Gildong", FOUND)
    del server.names["m-1"]
    asked.clock.time = 61.0
    many = [f"m-{n}" for n in range(1, 31)]
    assert await asked.names(*many) == await asked.names(*many) == [None] * 30
    assert (len(server.seen), asked.tries("not_found")) == (31, 30)
    assert not await asked.is_degraded()
    server.names["m-1"] = "Hong"
    asked.clock.time = 122.0
    assert await asked.name() == ("Hong", FOUND)


@pytest.mark.parametrize(("status", "tries"), [(502, 2), (503, 2), (504, 2), (500, 1), (401, 1), (429, 1)])
async def test_what_may_pass_is_tried_twice_and_nothing_else(
    server: MemberServer, asked: Asking, status: int, tries: int
) -> None:
    """Without a name from before there is none, with one it is shown."""
    server.fails(status)
    assert await asked.name() is None
    assert len(server.seen) == tries
    server.answer = server.member
    known = await asked.directory.seller("m-1")
    server.fails(status)
    asked.clock.time = 61.0
    kept = await asked.directory.seller("m-1")
    assert known is not None
    assert kept is not None
    assert (known.source, kept.source, kept.as_of) == (FOUND, CACHED, known.as_of)


async def test_a_second_try_that_succeeds_is_as_good(server: MemberServer, asked: Asking) -> None:
    """Nobody sees the first."""

    async def once(request: web.Request) -> web.StreamResponse:
        server.answer = server.member
        return web.Response(status=503)

    server.answer = once
    assert await asked.name() == ("Hong Gildong", FOUND)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b'{"id":"m-1"}', b'{"id":"m-1","name":""}', b'{"id":"m-1","name":null}',
        b'{"id":"m-2","name":"Other"}', b'{"id":"m-1","name":7}', b"\xff",
        b"[" * 60_000, b'{"id":"m-1","name":"' + b"x" * 70_000 + b'"}',
    ],
    ids=range(11),
)  # fmt: skip
async def test_an_answer_that_cannot_be_read_is_no_name(
    server: MemberServer, asked: Asking, body: bytes
) -> None:
    """Also one that is longer than a member can be."""

    async def strange(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    server.answer = strange
    assert await asked.name() is None
    assert asked.tries("unreadable") == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    ],
    ids=range(9),
)
async def test_bytes_that_are_no_answer_are_no_name(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens there; each of them counts as a failure, and nothing is raised."""
    monkeypatch.setattr(member_api, "TRY_SECONDS", patient(30))
    monkeypatch.setattr(member_api, "WITHIN_SECONDS", patient(60))

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        with suppress(OSError):
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(odd, "127.0.0.1", 0)
    async with listening, asking(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}") as asked:
        assert await asked.name() is None
        assert sum(map(asked.tries, ("unreachable", "refused", "unreadable"))) in {1, 2}
        assert asked.tries("found") == asked.tries("not_found") == asked.tries("timeout") == 0


async def test_a_redirect_is_not_followed(server: MemberServer, asked: Asking) -> None:
    """The token would go with it."""
    server.fails(302, Location=f"{server.url}users/m-1")
    assert await asked.name() is None
    assert (len(server.seen), asked.tries("refused")) == (1, 1)


async def test_fifty_who_ask_for_one_member_make_one_call(server: MemberServer, asked: Asking) -> None:
    """One of them that goes away takes the answer from nobody."""
    server.let_go.clear()
    many = [asyncio.create_task(asked.name()) for _ in range(50)]
    await eventually(lambda: server.seen)
    many[0].cancel()
    await asyncio.wait(many[:1])
    server.let_go.set()
    assert set(await asyncio.gather(*many[1:])) == {("Hong Gildong", FOUND)}
    assert len(server.seen) == 1


async def test_over_thirty_two_calls_nobody_waits(server: MemberServer, asked: Asking) -> None:
    """Until one of them has ended; what is stopped meanwhile ends."""
    server.let_go.clear()
    under_way = [asyncio.create_task(asked.name(f"m-{n}")) for n in range(member_api.MAX_CALLS)]
    await eventually(lambda: len(server.seen) == member_api.MAX_CALLS)
    assert await asked.name("m-99") is None
    assert asked.tries("crowded") == 1
    await asked.directory.stop()
    await asyncio.wait(under_way)
    assert all(each.cancelled() for each in under_way)
    assert await asked.name("m-98") is None


async def test_of_many_answers_the_last_used_are_kept(
    server: MemberServer, asked: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(member_directory, "MAX_KEPT", 2)
    server.names |= {"m-2": "B", "m-3": "C"}
    sources = [found[1] if (found := await asked.name(f"m-{n}")) else None for n in (1, 2, 1, 3, 1, 2)]
    assert sources == [FOUND, FOUND, CACHED, FOUND, CACHED, FOUND]


async def test_five_failed_tries_end_the_calls_and_one_probe_brings_them_back(
    server: MemberServer, asked: Asking
) -> None:
    """Of fifty who ask then one call goes, for which nobody waits; its success lets all of them go."""
    server.fails(500)
    many = [f"m-{n}" for n in range(50)]
    for each in many[:6]:
        await asked.name(each)
    assert (len(server.seen), await asked.is_degraded()) == (5, True)
    asked.clock.time = 10.0
    assert await asked.names(*many) == [None] * 50
    await eventually(lambda: asked.tries("refused") == 6)
    assert (len(server.seen), await asked.is_degraded()) == (6, True)
    server.answer = server.member
    server.let_go.clear()
    asked.clock.time = 20.0
    assert await asked.names(*many) == [None] * 50
    await eventually(lambda: len(server.seen) == 7)
    server.let_go.set()
    await eventually(lambda: asked.tries("not_found") == 1)
    assert not await asked.is_degraded()
    assert await asked.name("m-1") == ("Hong Gildong", FOUND)
    assert 'circuit_breaker_state{name="member-api"} 0.0' in asked.metrics.render().decode()


async def test_an_empty_address_is_never_called() -> None:
    """And is no reason to be degraded."""
    async with asking("") as nowhere:
        assert await nowhere.name() is None
        assert not await nowhere.is_degraded()


@pytest.mark.parametrize(
    ("forecast", "outcome"),
    [
        (Forecast(Weather.BLACK_HOLE), "timeout"),
        (Forecast(Weather.DELAY, 5.0), "timeout"),
        (Forecast(Weather.RESET), "unreachable"),
        (Forecast(Weather.SLOW_CLOSE, 0.05), "unreachable"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.weather.value,
)
async def test_a_network_that_fails_costs_two_tries_until_the_breaker_opens(
    server: MemberServer, forecast: Forecast, outcome: str
) -> None:
    """What was known is shown meanwhile; when the network is fair again the names are."""
    proxy = FaultProxy(lambda: server.port)
    await proxy.start()
    try:
        async with asking(server.url.replace(str(server.port), str(proxy.port))) as asked:
            assert await eventually(asked.name)
            proxy.change(forecast)
            asked.clock.time = 100.0
            found = await asked.names(*(f"m-{n}" for n in range(1, 6)))
            assert found == [("Hong Gildong", CACHED), None, None, None, None]
            assert asked.tries(outcome) >= 5
            asked.clock.time = 101.0
            assert await asked.is_degraded()
            assert await asked.name("m-9") is None
            proxy.change(Forecast())
            asked.clock.time = 200.0
            await asked.name()
            await eventually(lambda: back(asked))
    finally:
        await proxy.stop()


async def back(asked: Asking) -> bool:
    """The probe has brought the calls back; a busy machine may need another."""
    asked.clock.time += 61.0
    return await asked.name() == ("Hong Gildong", FOUND)
