"""`python -m app outbox …` as an operator meets it."""

import json

import asyncpg

from tests.builders import NOW
from tests.commands import Ended, run_command

_DEAD = """
INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, seq, event_type, event_version, topic, key,
                          payload, headers, occurred_at, last_error, dead_at)
SELECT gen_random_uuid(), 'order', 'o-' || n, 1, 'order.created', 1, 'order-events', 'k', '{}', '{}', $1,
       'refused', $1
FROM generate_series(1, 2) AS n
"""


async def outbox(database_url: str, *words: str) -> Ended:
    """`python -m app outbox …`."""
    return await run_command("app", "outbox", *words, DATABASE_URL=database_url)


async def test_dead_events_are_listed_and_given_up_with_a_reason(database_url: str) -> None:
    """More than one needs --yes; what a program reads is on stdout alone."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_DEAD, NOW)
        code, out, _ = await outbox(database_url, "list", "--json")
        listed = json.loads(out)
        assert (code, {each["orderId"] for each in listed}) == (0, {"o-1", "o-2"})
        assert listed[0]["deadAt"] == "2026-11-21T07:00:00Z"
        code, out, err = await outbox(database_url, "abandon", "--reason", "ticket 7")
        assert (code, "--yes" in err, len(out.splitlines())) == (2, True, 2)
        code, out, _ = await outbox(database_url, "abandon", "--reason", "ticket 7", "--order", "o-1")
        assert (code, "in their place: 1." in out) == (0, True)
        code, out, _ = await outbox(database_url, "retry", "--order", "o-2")
        assert (code, out) == (0, "Events that the next relay sends again: 1.\n")
        notices = await connection.fetch(
            "SELECT * FROM outbox_event WHERE event_type = 'order.event_skipped'"
        )
        assert [(row["aggregate_id"], row["seq"]) for row in notices] == [("o-1", 1)]
    finally:
        await connection.close()


async def test_published_events_are_sent_once_more_with_a_reason(database_url: str) -> None:
    """A part of a partition has both its ends; --dry-run counts and does nothing."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_DEAD, NOW)
        await connection.execute("UPDATE outbox_event SET dead_at = NULL, published_at = now()")
        code, out, err = await outbox(database_url, "republish", "--partition", "0", "--from", "3")
        assert (code, out, "--from and --to" in err) == (2, "", True)
        code, out, err = await outbox(database_url, "republish", "--order", "o-1")
        assert (code, out, "--reason" in err) == (2, "", True)
        code, out, _ = await outbox(database_url, "republish", "--since", "1h", "--dry-run")
        assert (code, out) == (0, "Published events that would be sent once more: 2.\n")
        code, out, _ = await outbox(database_url, "republish", "--order", "o-1", "--reason", "ticket 9")
        assert (code, out) == (0, "Published events that are sent once more: 1.\n")
        again = await connection.fetch("SELECT aggregate_id FROM outbox_event WHERE published_at IS NULL")
        assert [row["aggregate_id"] for row in again] == ["o-1"]
    finally:
        await connection.close()


async def test_a_database_without_the_shops_tables_is_told_in_a_sentence(empty_database_url: str) -> None:
    """With the command that makes them, and without a traceback."""
    code, out, err = await outbox(empty_database_url, "list")
    assert (code, out) == (1, "")
    assert "python -m app migrate" in err
    assert "Traceback" not in err
