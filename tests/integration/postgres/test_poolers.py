"""A pooler that keeps our session's bounds from the server is refused at the start, in a sentence."""

import asyncio
import contextlib
import struct
from urllib.parse import urlsplit

import pytest

from kits.postgres.engine import create_engine
from kits.postgres.readiness import DatabaseUnreachableError, wait_until_reachable

REFUSED = b"SFATAL\0C08P01\0Munsupported startup parameter: lock_timeout\0\0"


class Pooler:
    """As PgBouncer: refuses parameters of a session that it does not know, or drops them if it is told to."""

    def __init__(self, url: str, *, drops: bool) -> None:
        address = urlsplit(url)
        self._real = (address.hostname or "", address.port or 5432)
        self._drops = drops

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session: no TLS, then the startup message, then whatever comes."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)
            writer.write(b"N")
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            startup = await reader.readexactly(length - 4)
            if not self._drops:
                writer.write(b"E" + struct.pack("!I", len(REFUSED) + 4) + REFUSED)
                await writer.drain()
            else:
                real_reader, real_writer = await asyncio.open_connection(*self._real)
                real_writer.write(without_bounds(startup))
                await asyncio.gather(pass_on(reader, real_writer), pass_on(real_reader, writer))
        writer.close()


def without_bounds(startup: bytes) -> bytes:
    """The startup message with what every pooler knows, and no more."""
    words = startup[4:].rstrip(b"\0").split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=True)
    kept = b"".join(b"%s\0%s\0" % pair for pair in pairs if not pair[0].endswith((b"_timeout", b"_idle")))
    return struct.pack("!I", len(kept) + 9) + startup[:4] + kept + b"\0"


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side has ended."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("drops", [False, True])
async def test_a_pooler_in_transaction_mode_is_told_from_an_outage(
    empty_database_url: str, *, drops: bool
) -> None:
    """With its defaults, and with `ignore_startup_parameters`: then no wait of ours would have a bound."""
    pooler = Pooler(empty_database_url, drops=drops)
    async with await asyncio.start_server(pooler.serve, "127.0.0.1", 0) as server:
        user, _, rest = empty_database_url.rpartition("@")
        port = server.sockets[0].getsockname()[1]
        url = f"{user}@127.0.0.1:{port}/{rest.rpartition('/')[2]}"
        engine = create_engine(url, application_name="test")
        with pytest.raises(DatabaseUnreachableError, match="a pooler that does not pass on the settings"):
            await wait_until_reachable(engine, within_seconds=60)
        await engine.dispose()
