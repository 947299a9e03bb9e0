"""A client that sends exactly the bytes of a test and reads exactly the answers."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from tests.waiting import patient

WITHIN_SECONDS = patient(60)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    def problem(self) -> Any:
        """The body of an answer that must be a complete problem detail."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.headers["x-content-type-options"] == "nosniff", self
        problem = self.json
        assert problem["status"] == self.status, problem
        assert problem["type"] == f"/docs/problems#{problem['code']}"
        assert problem.keys() >= {"title", "detail", "instance", "traceId"}
        return problem


def message(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """An ordinary request; `content_type` becomes Content-Type, and so on."""
    named = {"host": "shop", **({"content_length": str(len(body))} if body else {}), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


async def exchange(port: int, sent: bytes) -> Reply:
    """Send these bytes on a connection of their own and read the first answer."""
    (reply,) = await exchanges(port, sent, 1)
    return reply


async def exchanges(port: int, sent: bytes, count: int) -> list[Reply]:
    """Send these bytes on one connection and read `count` answers."""
    async with asyncio.timeout(WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        try:
            head = sent.partition(b" ")[0] == b"HEAD"
            return [await read_reply(reader, head=head) for _ in range(count)]
        finally:
            writer.transport.abort()


async def read_reply(reader: asyncio.StreamReader, *, head: bool = False) -> Reply:
    """The next answer; it must carry its length."""
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(start.split(" ")[1])
    length = 0 if head or status in {204, 304} else int(headers["content-length"])
    return Reply(status, headers, await reader.readexactly(length))
