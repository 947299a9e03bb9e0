"""What libpq's words in an address do, at a real server."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from devservices.ports import choose_free
from kits.postgres.engine import create_engine
from kits.postgres.readiness import DatabaseUnreachableError, wait_until_reachable
from tests.certificates import CertificateAuthority
from tests.conftest import execute

SSL_REQUEST = bytes.fromhex("0000000804d2162f")


async def answer(url: str, query: str) -> str:
    """One value, by way of an engine made for this address."""
    engine = create_engine(url, application_name="test")
    try:
        async with engine.connect() as connection:
            return str((await connection.execute(text(query))).scalar())
    finally:
        await engine.dispose()


async def refusal(url: str) -> str:
    """What a start says that may wait for a minute and does not."""
    engine = create_engine(url, application_name="test")
    try:
        with pytest.raises(DatabaseUnreachableError) as refused:
            await wait_until_reachable(engine, within_seconds=60)
    finally:
        await engine.dispose()
    return str(refused.value)


@pytest.mark.parametrize(
    ("words", "query", "found"),
    [
        ("", "SHOW application_name", "test"),
        ("application_name=the%20shop", "SHOW application_name", "the shop"),
        ("connect_timeout=3", "SHOW lock_timeout", "3s"),
        ("options=-c%20geqo%3Doff", "SHOW geqo", "off"),
        ("options=-c geqo=off".replace(" ", "%20"), "SHOW lock_timeout", "3s"),
        ("options=-clock_timeout=7s%20-cwork_mem=5MB", "SHOW lock_timeout", "7s"),
        ("target_session_attrs=read-write", "SHOW statement_timeout", "10s"),
        ("target_session_attrs=prefer-standby", "SHOW TimeZone", "UTC"),
        ("sslmode=prefer", "SHOW tcp_keepalives_idle", "5"),
        ("gssencmode=disable&client_encoding=UTF8", "SHOW client_encoding", "UTF8"),
    ],
)
async def test_a_word_of_the_address_reaches_the_session(
    empty_database_url: str, words: str, query: str, found: str
) -> None:
    """And a bound of ours yields only to one that the address itself sets."""
    assert await answer(f"{empty_database_url}?{words}", query) == found


async def test_a_host_that_is_away_is_passed_over(empty_database_url: str) -> None:
    """Written as libpq wants it: a list."""
    head, _, tail = empty_database_url.rpartition("@")
    assert await answer(f"{head}@127.0.0.1:{choose_free()[0]},{tail}", "SELECT 1") == "1"


async def test_a_host_that_swallows_packets_costs_its_own_bound_alone(empty_database_url: str) -> None:
    """The next one has as long again: a bound for all of them would be used up by the first."""
    head, _, tail = empty_database_url.rpartition("@")
    async with await _silent() as silent:
        port = silent.sockets[0].getsockname()[1]
        url = f"{head}@127.0.0.1:{port},{tail}?connect_timeout=1"
        assert await answer(url, "SELECT 1") == "1"


async def test_no_host_of_the_wanted_kind_is_told(empty_database_url: str) -> None:
    """A primary is no standby; waiting might mend it, so this start waits no longer than it may."""
    engine = create_engine(f"{empty_database_url}?target_session_attrs=standby", application_name="test")
    with pytest.raises(DatabaseUnreachableError, match="target_session_attrs"):
        await wait_until_reachable(engine, within_seconds=0)
    await engine.dispose()


async def test_what_waiting_cannot_mend_is_told_at_once(empty_database_url: str) -> None:
    """A wrong password, role, database or setting, and no TLS where it is demanded."""
    head, _, tail = empty_database_url.rpartition("@")
    scheme_and_user = head.rpartition(":")[0]
    assert "refuses this user and password" in await refusal(f"{scheme_and_user}:hunter2@{tail}")
    assert "user" in await refusal(f"postgresql://nobody-knows-me:hunter2@{tail}")
    assert "is not there: create it" in await refusal(f"{empty_database_url}x")
    assert "refuses a setting in `options`" in await refusal(
        f"{empty_database_url}?options=-c%20nonsense%3D1"
    )
    assert "does not speak TLS" in await refusal(f"{empty_database_url}?sslmode=require")


async def test_a_role_that_may_not_connect_is_told_which_right_it_lacks(empty_database_url: str) -> None:
    """And a full server that it is full; that one is waited for."""
    tail = empty_database_url.rpartition("@")[2]
    name = "shut_out_" + tail.rpartition("_")[2]
    await execute(empty_database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'p' CONNECTION LIMIT 0")
    try:
        engine = create_engine(f"postgresql://{name}:p@{tail}", application_name="test")
        with pytest.raises(DatabaseUnreachableError, match="has no free connection"):
            await wait_until_reachable(engine, within_seconds=0)
        await engine.dispose()
        await execute(empty_database_url, f"ALTER ROLE {name} CONNECTION LIMIT -1")
        database = tail.rpartition("/")[2]
        await execute(empty_database_url, f'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC')
        assert "GRANT CONNECT" in await refusal(f"postgresql://{name}:p@{tail}")
    finally:
        await execute(empty_database_url, f"DROP ROLE {name}")


class TlsFront:
    """Speaks TLS before the real server, for as long as the block is open; its build has none of its own."""

    def __init__(self, url: str, authority: CertificateAuthority) -> None:
        address = urlsplit(url)
        self._real = (address.hostname or "", address.port or 5432)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(*authority.issue("postgres"))
        self._url = url
        self.encrypted: list[bool] = []
        """Of each session that began, in their order."""

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.close()

    def url(self, words: str, host: str = "127.0.0.1") -> str:
        """The way through here, with these words."""
        port = self._server.sockets[0].getsockname()[1]
        user, _, rest = self._url.rpartition("@")
        return f"{user}@{host}:{port}/{rest.rpartition('/')[2]}?{words}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            if asked := first == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self._context)
                first = await reader.readexactly(8)
            self.encrypted.append(asked)
            real_reader, real_writer = await asyncio.open_connection(*self._real)
            real_writer.write(first)
            await asyncio.gather(_pass_on(reader, real_writer), _pass_on(real_reader, writer))
        writer.close()


async def test_sslmode_means_what_it_means_in_libpq(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`require` encrypts, and verifies if it is given a CA; `verify-ca` does not look at the host's name."""
    authority, stranger = CertificateAuthority(tmp_path, "ca"), CertificateAuthority(tmp_path, "stranger")
    own, strange = f"sslrootcert={authority.file}", f"sslrootcert={stranger.file}"
    async with TlsFront(empty_database_url, authority) as front:
        for words in ("", "sslmode=prefer", "sslmode=require", f"sslmode=require&{own}"):
            await answer(front.url(words), "SELECT 1")
        await answer(front.url(f"sslmode=verify-full&{own}"), "SELECT 1")
        await answer(front.url(f"sslmode=verify-ca&{own}", host="localhost"), "SELECT 1")
        assert front.encrypted == [True] * 6
        for words in ("sslmode=disable", "sslmode=allow"):
            await answer(front.url(words), "SELECT 1")
        assert front.encrypted[6:] == [False] * 2
        for refused in (
            front.url(f"sslmode=verify-full&{own}", host="localhost"),
            front.url(f"sslmode=verify-ca&{strange}"),
            front.url(f"sslmode=require&{strange}"),
            front.url("sslrootcert=system"),
        ):
            assert "certificate that is not trusted" in await refusal(refused)
        assert len(front.encrypted) == 8
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        await answer(front.url("sslrootcert=system"), "SELECT 1")
        assert front.encrypted[8:] == [True]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _silent() -> asyncio.Server:
    """A server that takes connections and says nothing."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    return await asyncio.start_server(wait, "127.0.0.1", 0)
