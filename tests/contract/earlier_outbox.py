"""The outbox of the build before the ordered queue: its own statements, and the loop that they need."""

import asyncio
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from contracts.envelope import EventMessage

_FILE = Path(__file__).with_name("earlier") / "outbox.sql"
_PART = re.compile(r"^-- (\w+): (.*)\n((?:(?!-- ).*\n?)+)", re.MULTILINE)
_PARTS = {name: (names.split(), text) for name, names, text in _PART.findall(_FILE.read_text("utf-8"))}
_LOOK_SECONDS = 0.02

Sent = list[tuple[str, int]]
"""What reached Kafka, of which order and with which seq, as it came."""


class EarlierOutbox:
    """One process: records events, publishes those that were born claimed, and relays what it finds."""

    def __init__(self, url: str, kafka: Sent, *, seed: int, lease_seconds: float) -> None:
        self._url = url
        self._kafka = kafka
        self._random = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self._lease_seconds = lease_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to relay."""
        self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=3)
        self._start(self._relay())

    async def record(self, message: EventMessage) -> None:
        """One transaction of the shop, and what follows its commit."""
        token = str(uuid4())
        ((_, is_claimed),) = await self._run("insert", rows=_document([message]), claimed=True, token=token)
        if is_claimed:
            self._start(self._publish([(message.event_id, message.aggregate_id, message.seq)], token))

    async def kill(self) -> None:
        """At any moment; nothing is written any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()

    async def _relay(self) -> None:
        while True:
            token = str(uuid4())
            heads = await self._run("claim", token=token, limit=20, attempts_1=1)
            await self._publish(
                [(str(row["event_id"]), row["aggregate_id"], row["seq"]) for row in heads], token
            )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _publish(self, heads: Sequence[tuple[str, str, int]], token: str) -> None:
        for _, order_id, seq in heads:
            self._kafka.append((order_id, seq))
        await asyncio.sleep(self._random.uniform(0.0, 0.02))
        answers = [{"event_id": head[0], "token": token, "partition": 0, "offset": 7} for head in heads]
        if self._random.random() < 0.1:
            failed = [{**each, "error": "unknown", "wait_seconds": 0.0, "dead": False} for each in answers]
            await self._run("failed", rows=_document(failed))
        else:
            await self._run("published", rows=_document(answers))

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, part: str, **values: Any) -> Sequence[Any]:
        names, text = _PARTS[part]
        known = {**values, "lease_seconds": self._lease_seconds}
        # The other fields of an interval are fixed.
        arguments = [0 if name.startswith("make_interval") else known[name] for name in names]
        return await self._pool.fetch(text, *arguments)  # type: ignore[no-any-return]


def _document(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
