"""Measures what Avro costs an event beside JSON; knows the schemas that an API which sends Avro needs."""

import random
import timeit
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import msgspec

from app.outbox.table import known_schema
from bench.drain.events import backlog
from contracts.avro_schemas import avro_schemas
from contracts.order_events import SCHEMAS
from devservices.ports import LOOPBACK
from kits.postgres.engine import create_engine
from kits.schemas.avro import AvroSchema
from kits.schemas.known_schemas import KnownSchema, SqlKnownSchemas

_REGISTRY = f"http://{LOOPBACK}:9"
"""Nobody is there: what is registered is known without asking."""
AVRO = {"EVENT_FORMAT": "avro", "SCHEMA_REGISTRY_URL": _REGISTRY}
_ROUNDS, _CALLS = 15, 2_000


class Cost(NamedTuple):
    """What one event of a type takes: bytes, and microseconds (the lowest of 15 rounds, and their median)."""

    ce_type: str
    json_bytes: int
    avro_bytes: int
    json_write_us: tuple[float, float]
    avro_write_us: tuple[float, float]
    json_read_us: tuple[float, float]
    avro_read_us: tuple[float, float]


async def register(database_url: str) -> None:
    """Let the shop know every schema of its events under some id."""
    engine = create_engine(database_url, application_name="bench", pool_size=1)
    schemas = [AvroSchema(each) for each in avro_schemas(SCHEMAS).values()]
    known = [
        KnownSchema(number, each.name, each.fingerprint, each.text) for number, each in enumerate(schemas, 1)
    ]
    await SqlKnownSchemas(engine, known_schema, _REGISTRY).register(known)
    await engine.dispose()


def event_costs() -> list[Cost]:
    """Of the two types of the backlog. Writing JSON is what the outbox records; Avro is made of it."""
    found: dict[str, Cost] = {}
    for message in backlog(2, random.Random(1)):  # noqa: S311 - no secret
        ce_type = f"{message.event_type}.v{message.event_version}"
        if ce_type not in found:
            found[ce_type] = _cost(ce_type, message.payload)
    return list(found.values())


def costs_table(costs: list[Cost]) -> str:
    """For a reader at a terminal."""
    lines = [f"{'an event':<20}{'bytes':>14}{'to write, us':>20}{'to read, us':>20}"]
    for each in costs:
        for form, size, write, read in (
            ("JSON", each.json_bytes, each.json_write_us, each.json_read_us),
            ("Avro", each.avro_bytes, each.avro_write_us, each.avro_read_us),
        ):
            timed = "".join(f"{low:>12.1f} ({middle:5.1f})" for low, middle in (write, read))
            lines.append(f"{each.ce_type} {form:<5}".ljust(25) + f"{size:>9}{timed}")
    return "\n".join(lines)


def _cost(ce_type: str, payload: bytes) -> Cost:
    struct, schema = SCHEMAS[ce_type], AvroSchema(avro_schemas(SCHEMAS)[ce_type])
    decoder, body = msgspec.json.Decoder(struct), schema.encode(payload)
    event, write = decoder.decode(payload), msgspec.json.Encoder().encode
    return Cost(
        ce_type,
        len(payload),
        len(body) + 5,
        _timed(lambda: write(event)),
        _timed(lambda: schema.encode(payload)),
        _timed(lambda: decoder.decode(payload)),
        _timed(lambda: schema.decode(body)),
    )


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    times = [1e6 * each / _CALLS for each in timeit.repeat(call, number=_CALLS, repeat=_ROUNDS)]
    return min(times), median(times)
