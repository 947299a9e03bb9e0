"""`python -m worker dlq …`, `replay` and `audit` as an operator meets them: on the database alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from dependency_injector import providers

from devservices.ports import choose_free
from tests.commands import Ended
from tests.integration.worker.inbox_rows import NOW, InboxRows
from tests.integration.worker.test_payloads import written
from tests.unit.worker.events import Sample
from worker.cli import environment, program
from worker.command_container import InboxCommands

Run: TypeAlias = Callable[..., Awaitable[Ended]]


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@pytest.fixture
def run(rows: InboxRows, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command to its end, in this process and a thread of its own."""
    monkeypatch.setenv("DATABASE_URL", rows.database)
    monkeypatch.setattr(environment, "configure_logging", lambda **_: None)

    def ended(words: tuple[str, ...]) -> int:
        try:
            return program.main(words)
        except SystemExit as error:
            return int(str(error.code))

    async def run_words(*words: str) -> Ended:
        capsys.readouterr()
        code = await asyncio.to_thread(ended, words)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run_words


async def asked(run: Run, *words: str) -> Any:
    """The JSON that a command prints."""
    code, out, err = await run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


async def test_from_the_first_look_to_the_last(
    rows: InboxRows, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List, summary and show; more than one order needs --yes; who did what is listed."""
    dead = await rows.put("o-1", 1, "dead")
    await rows.put("o-1", 2)
    await rows.put("o-2", 3)
    other = await rows.put("o-3", 1, "dead")
    await rows.put("o-3", 2, "dead")
    code, out, _ = await run("dlq", "list")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["ORDER", "SEQ", "STATE"], ["o-1", "1", "dead"], ["o-1", "2", "behind"], ["o-2", "3", "gap"],
        ["o-3", "1", "dead"], ["o-3", "2", "dead"],
    ]  # fmt: skip
    assert out.splitlines()[2].endswith("behind 1 (dead)")
    assert out.splitlines()[3].endswith("1-2      1-2 has not come")
    summary = await asked(run, "dlq", "summary")
    assert {each["errorClass"]: each["day"] for each in summary} == {"rejected": 3, "blocked": 1, "gap": 1}
    shown = await asked(run, "dlq", "show", "--event", dead)
    assert (shown["events"][0]["value"]["eventId"], shown["audit"]) == (dead, [])
    code, out, err = await run("dlq", "redrive")
    assert (code, "2 orders need --yes" in err) == (2, True)
    assert "order o-1: number 1: would be put back" in out
    assert await rows.audit() == []
    code, out, _ = await run("dlq", "redrive", "--event", dead, "--by", "kim")
    assert (code, out) == (0, "1 of 1 put back, 0 left.\n")
    code, out, _ = await run("dlq", "skip", "--order", "o-2", "--reason", "lost", "--by", "kim")
    assert (code, out) == (0, "1 of 1 given up, 0 left.\n")
    monkeypatch.setenv("DATA_PLATFORM_SKIP_NOTICES", "false")
    code, out, _ = await run("dlq", "discard", "--order", "o-3", "--reason", "lost")
    assert (code, await rows.order("o-3")) == (0, {1: "given_up", 2: "given_up"})
    audit = await asked(run, "audit", "list")
    assert {(each["action"], each["orderId"], each["eventId"]) for each in audit} >= {
        ("redrive", "o-1", dead), ("skip", "o-2", None), ("discard", "o-3", other),
    }  # fmt: skip
    assert [each["actor"] for each in audit].count("kim") == 3


async def test_the_dead_letter_limit_is_said_first_and_released(rows: InboxRows, run: Run) -> None:
    """With the tally and three ids; while it stands nobody may overlook it."""
    await rows.put("o-1", 1, "dead")
    trip = {
        "tally": [{"error_class": "rejected", "code": "422", "reason": "no such field", "count": 11}],
        "event_ids": ["e-1", "e-2", "e-3"],
    }
    statement = (
        "INSERT INTO delivery.inbox_group (consumer_group, tripped_at, deaths, trip) VALUES ($1, $2, $3, $4)"
    )
    await rows.ask(statement, "data-platform", NOW, [1, 2], json.dumps(trip))
    _, out, _ = await run("dlq", "list")
    first, tally, ids, header, *_ = out.splitlines()
    assert first.startswith("The dead-letter limit stands since ")
    assert (tally, ids, header.split()[0]) == (
        "  11 x rejected 422: no such field", "  for example e-1, e-2, e-3", "ORDER",
    )  # fmt: skip
    code, out, err = await run("dlq", "list", "--json")
    assert (len(json.loads(out)), "limit stands" in err) == (1, True)
    code, out, _ = await run("dlq", "release", "--reason", "the field is back")
    assert (code, out.splitlines()[1]) == (0, tally)
    ((tripped_at, deaths),) = await rows.ask("SELECT tripped_at, deaths FROM delivery.inbox_group")
    assert (tripped_at, deaths) == (None, [])
    code, out, _ = await run("dlq", "release", "--reason", "again")
    assert (code, "nothing to release" in out) == (0, True)
    assert [entry[0] for entry in await rows.audit()] == ["release"]


async def test_a_filter_that_fits_nothing_says_what_there_is(rows: InboxRows, run: Run) -> None:
    """An unknown value is wrong usage, and the known ones are named."""
    await rows.put("o-1", 1, "dead")
    code, out, err = await run("dlq", "list", "--code", "423")
    assert (code, out) == (0, "")
    assert err == "None of 1 stuck events fits. Classes: rejected 1. Codes: 422 1. Types: order.created 1.\n"
    code, _, err = await run("dlq", "list", "--type", "order.payed")
    assert (code, "order.paid" in err) == (2, True)
    code, _, err = await run("dlq", "list", "--error-class", "refused")
    assert (code, "rejected" in err) == (2, True)
    code, _, err = await run("dlq", "list", "--order", "o-\udcff")
    assert (code, "printable" in err) == (2, True)
    code, _, err = await run("replay", "--order", "o-1", "--type", "order.payed", "--reason", "lost")
    assert (code, "order.paid" in err) == (2, True)


async def test_a_replay_needs_yes_and_names_what_it_would_do(rows: InboxRows, run: Run) -> None:
    """A whole day is more than one order."""
    for number in range(1, 4):
        await rows.put("o-1", number, "done")
    await rows.put("o-2", 1, "done", delivered_at=NOW - timedelta(days=2))
    words = ("replay", "--since", "1d", "--reason", "restored")
    code, out, err = await run(*words)
    assert (code, out, "--yes" in err) == (2, "3 events would come again.\n", True)
    code, out, _ = await run(*words, "--yes", "--rate", "1000")
    assert (code, out) == (0, "3 events come again.\n")
    assert await rows.order("o-1") == {1: "waiting", 2: "waiting", 3: "waiting"}
    assert [entry[0] for entry in await rows.audit()] == ["replay"]


async def test_the_group_is_looked_at_and_moved_while_workers_run(
    rows: InboxRows, run: Run, kafka_servers: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a seek passes over is printed with the command that brings it, and audited."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_servers)
    sent = await written(kafka_servers, topic, [Sample("o-1", seq) for seq in range(1, 8)])
    partition, topic_id = sent[0]["partition"], sent[0]["topic_id"]
    seen = "INSERT INTO delivery.inbox_partition VALUES ('data-platform', $1, $2, $3, 2, 0)"
    await rows.ask(seen, topic, partition, topic_id)
    with InboxCommands.order_events.override(providers.Object(topic)):
        shown = {each["partition"]: each for each in await asked(run, "offsets", "show")}
        assert (shown[partition]["nextOffset"], shown[partition]["logEnd"], shown[partition]["lag"]) == (
            2,
            7,
            7,
        )
        words = ("offsets", "seek", "--partition", str(partition), "--reason", "broken", "--offset")
        code, out, err = await run(*words, "5")
        assert (code, "--yes" in err, "offsets 2 to 4 of partition" in out) == (2, True, True)
        code, out, _ = await run(*words, "5", "--yes")
        assert (code, f"outbox republish --partition {partition} --from 2 --to 4" in out) == (0, True)
        code, _, err = await run(*words, "8", "--yes")
        assert (code, "no such place" in err) == (2, True)
        code, out, _ = await run(*words, "1", "--yes")
        assert (code, "Offsets 1 to 4 are read again." in out) == (0, True)
        status = await asked(run, "status")
        assert (status["lag"]["records"], status["stuck"]) == (7, [])
    details = [each["detail"] for each in await asked(run, "audit", "list", "--action", "offsets_seek")]
    assert details == [f"{topic}, partition {partition}: {move}" for move in ("5 -> 1", "2 -> 5")]
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{choose_free()[0]}")
    code, out, _ = await run("status")
    assert (code, "unknown: " in out, "does not stand" in out) == (0, True, True)
