"""Settling: after the last fault, wait until the pipeline is at rest, then let the checker look."""

import asyncio
from collections.abc import Collection

import asyncpg

from chaos.checker import violations
from chaos.client_record import ClientRecord
from chaos.evidence import collect
from chaos.findings import Evidence
from chaos.goods import STOCK
from chaos.system import System

_REST_SECONDS = 180.0
_READ_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_LOOKS = 4
_PAUSE_SECONDS = 3.0
_BUSY = """\
SELECT (SELECT count(*) FROM orders WHERE status = 'PENDING') AS pending,
       (SELECT count(*) FROM outbox_event WHERE published_at IS NULL AND abandoned_at IS NULL) AS unpublished,
       (SELECT count(*) FROM outbox_event WHERE abandoned_at IS NULL)
       - (SELECT count(*) FROM delivery.inbox_event WHERE notice_of IS NULL) AS unread,
       (SELECT count(*) FROM delivery.inbox_event q
         WHERE delivered_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
           AND NOT EXISTS (
               SELECT 1 FROM delivery.inbox_event e WHERE e.order_id = q.order_id AND e.seq < q.seq
                  AND e.dead_at IS NOT NULL AND e.delivered_at IS NULL AND e.given_up_at IS NULL)
       ) AS waiting"""


async def rest(system: System) -> str:
    """Wait for the end of all work; what is still undone after three minutes, empty when nothing is."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _REST_SECONDS
    connection = await asyncpg.connect(system.database_url, timeout=10)
    try:
        while True:
            busy = {name: number for name, number in (await connection.fetchrow(_BUSY)).items() if number}
            if not busy or loop.time() > give_up_at:
                return ", ".join(f"{number} {name}" for name, number in busy.items())
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close(timeout=10)


async def judge(system: System, record: ClientRecord, refused: Collection[str]) -> tuple[Evidence, list[str]]:
    """All that is left, and every violation that stays.

    Raises:
        TimeoutError: a part could not be read within two minutes.
    """
    for look in range(1, _LOOKS + 1):
        evidence = await collect(
            database_url=system.database_url,
            kafka_bootstrap_servers=system.kafka_bootstrap_servers,
            data_platform_url=system.platform_url,
            accepted=record.accepted,
            statuses=record.statuses,
            keys=record.keys,
            payments_told=record.payments,
            initial_stock=STOCK,
            within_seconds=_READ_SECONDS,
        )
        told = violations(evidence, may_be_dead=refused)
        if not told or look == _LOOKS:
            return evidence, told
        # Write-backs trail the arrivals by moments: a violation that stays is a violation.
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("unreachable: the last look returns")
