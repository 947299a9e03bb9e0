"""Judges, capture: `python -m judges.capture` writes what NestJS puts on the wire, a golden file of kits/rpc.

One exchange at a time between a client and a service of NestJS, on a broker of its own. What differs from run
to run, the correlation ids, is replaced, and so are the topics' prefixes. All versions have to agree.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord

from devservices import throwaway
from devservices.instance import ROOT
from judges.exchanges import EXCHANGES, Exchange
from judges.packages import NEST_VERSIONS
from judges.programs import CLIENT, SERVED, SERVICE, nest_program
from judges.topics import new_records, own_topics, tapped
from tests.conftest import RUN_ID

GOLDEN = ROOT / "tests" / "contract" / "golden" / "rpc" / "nest.json"
REPLY_TOPICS = ("echo.reply", "answer.reply")
CORRELATION_ID = "kafka_correlationId"
ONE_ID = "correlation-id-000001"
"""Stands for every correlation id, which has 21 characters in NestJS."""


async def captured(version: str, servers: str) -> list[dict[str, Any]]:
    """Every exchange: what was sent, its records in the log's order, what the client made of them."""
    prefix = f"wire-{version}-{RUN_ID}"
    async with (
        own_topics(servers, prefix, (*SERVED, *REPLY_TOPICS)),
        nest_program(SERVICE, version, servers, prefix) as service,
        nest_program(CLIENT, version, servers, prefix, "echo", "answer") as client,
        tapped(servers, prefix, SERVED) as requests,
        tapped(servers, prefix, REPLY_TOPICS) as replies,
    ):
        exchanges = []
        for exchange in EXCHANGES:
            heard = await client.ask(**{exchange.do: exchange.to, "data": exchange.data})
            if exchange.do == "emit":
                heard |= await service.said()
            exchanges.append(told(exchange, await new_records(requests), await new_records(replies), heard))
        return exchanges


def told(
    exchange: Exchange,
    requests: Sequence[ConsumerRecord[bytes, bytes]],
    replies: Sequence[ConsumerRecord[bytes, bytes]],
    heard: dict[str, Any],
) -> dict[str, Any]:
    """An exchange as its golden file has it."""
    (request,) = requests
    return {
        "exchange": exchange.name,
        "sent": exchange.data,
        "request": as_json(request),
        "replies": [{**as_json(reply), "partition": reply.partition} for reply in replies],
        "heard": heard,
    }


def as_json(record: ConsumerRecord[bytes, bytes]) -> dict[str, Any]:
    """A record, all of whose bytes are UTF-8, with its headers in their order."""
    prefix = record.topic.partition(".")[0] + "."
    headers = {name: value.decode().removeprefix(prefix) for name, value in record.headers}
    if CORRELATION_ID in headers:
        assert len(headers[CORRELATION_ID]) == len(ONE_ID)
        headers[CORRELATION_ID] = ONE_ID
    return {
        "topic": record.topic.removeprefix(prefix),
        "key": text(record.key),
        "value": text(record.value),
        "headers": headers,
    }


def text(given: bytes | None) -> str | None:
    """Bytes as text; Kafka's null is None."""
    return None if given is None else given.decode()


async def write() -> int:
    """The golden file; 1 after a sentence when the versions differ."""
    stack = throwaway.claim("judges", fsync=False)
    try:
        stack.kafka.start()
        found = [await captured(version, stack.kafka.bootstrap_servers) for version in NEST_VERSIONS]
    finally:
        throwaway.release(stack)
    if any(other != found[0] for other in found):
        sys.stderr.write("The versions of NestJS differ on the wire: keep a golden file for each.\n")
        return 1
    GOLDEN.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(exchange, ensure_ascii=False) for exchange in found[0])
    GOLDEN.write_text(f"[\n{lines}\n]\n")
    sys.stdout.write(f"{GOLDEN.name} written: look at the difference.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(write()))
