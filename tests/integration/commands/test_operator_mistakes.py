"""A mistake of the operator's is told in one sentence, at once; never as a fault of ours or as an outage."""

import asyncio

from devservices.ports import choose_free
from tests.commands import Ended, run_command


async def refused(*words: str, **environment: str) -> Ended:
    """A process that may wait for an hour, and does not."""
    patience = {"DATABASE_WAIT_SECONDS": "3600", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    return await run_command(*words, given=b"", **(environment | patience))


def assert_told(done: Ended, code: int, sentence: str) -> None:
    """The code, and a last line that says it; no traceback, no secret."""
    assert done.code == code, done.err
    assert sentence in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert "hunter2" not in done.out + done.err


async def test_an_address_that_is_refused_ends_every_start_at_once(empty_database_url: str) -> None:
    """They would wait for an hour if they took it for an outage."""
    head, _, tail = empty_database_url.rpartition("@")
    wrong_password = f"{head.rpartition(':')[0]}:hunter2@{tail}"
    port = str(choose_free()[0])
    served, migrated, consumed, ledger = await asyncio.gather(
        refused("app", DATABASE_URL=wrong_password, JWT_SECRET="s" * 32, API_PORT=port),
        refused("app", "migrate", DATABASE_URL=f"{empty_database_url}x"),
        refused("worker", DATABASE_URL=wrong_password, DATA_PLATFORM_URL="http://h", WORKER_PORT=port),
        refused("worker", "migrate", WORKER_DATABASE_URL=f"{empty_database_url}?sslmode=require"),
    )
    assert_told(served, 1, "refuses this user and password")
    assert_told(migrated, 1, "is not there: create it")
    assert consumed.code == 1
    assert "refuses this user and password" in consumed.err
    assert_told(ledger, 1, "does not speak TLS")
