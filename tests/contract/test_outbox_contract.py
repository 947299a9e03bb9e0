"""What every outbox promises about claims: the one in PostgreSQL and the one of the simulation alike."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from sqlalchemy import text

from app.outbox.claim import Claim
from app.outbox.recorder import SqlOutbox
from app.outbox.store import FailedSend, OutboxStore
from contracts.envelope import EventMessage
from kits.kafka.records import Acknowledgement
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from tests.builders import a_message
from tests.unit.outbox.in_memory import InMemoryOutbox, InMemoryTransaction

LEASE_SECONDS = 60.0
ACK = Acknowledgement("order-events", 0, 7)


class Outbox:
    """A store, and what only a test does: commit events, and let all leases run out."""

    def __init__(
        self,
        store: OutboxStore,
        commit: Callable[[Sequence[EventMessage], bool], Awaitable[list[Claim]]],
        run_out: Callable[[], Awaitable[None]],
    ) -> None:
        self.store = store
        self._commit = commit
        self.run_out = run_out

    async def record(self, *messages: EventMessage, claimed: bool = False) -> list[Claim]:
        """One transaction; returns what was born claimed."""
        return await self._commit(messages, claimed)

    async def heads(self) -> list[int]:
        """Claim all that can be claimed; returns the numbers."""
        return sorted(claim.message.seq for claim in await self.store.claim_heads(100))


class OutboxContract:
    """The tests that every outbox passes."""

    async def test_only_heads_are_born_claimed(self, outbox: Outbox) -> None:
        """Not behind an earlier one of the same transaction, nor of one before; other orders are free."""
        claims = await outbox.record(a_message("o-1", 1), a_message("o-1", 2), a_message("o-2"), claimed=True)
        assert {(claim.message.aggregate_id, claim.message.seq) for claim in claims} == {
            ("o-1", 1),
            ("o-2", 1),
        }
        assert not any(claim.relayed for claim in claims)
        assert await outbox.record(a_message("o-1", 3), claimed=True) == []

    async def test_an_event_behind_published_ones_is_born_claimed(self, outbox: Outbox) -> None:
        """If its writer wants it."""
        (first,) = await outbox.record(a_message("o-1", 1), claimed=True)
        await outbox.store.mark_published([(first, ACK)])
        assert await outbox.record(a_message("o-1", 2), claimed=False) == []
        (second,) = await outbox.store.claim_heads(10)
        await outbox.store.mark_published([(second, ACK)])
        assert len(await outbox.record(a_message("o-1", 3), claimed=True)) == 1

    async def test_a_relay_claims_heads_alone_oldest_first_and_no_more_than_it_asks_for(
        self, outbox: Outbox
    ) -> None:
        """Each until its lease runs out."""
        await outbox.record(a_message("o-1", 1), a_message("o-1", 2))
        await outbox.record(a_message("o-2", 1))
        claims = await outbox.store.claim_heads(1)
        assert [claim.message.aggregate_id for claim in claims] == ["o-1"]
        assert claims[0].relayed
        assert [claim.message.aggregate_id for claim in await outbox.store.claim_heads(9)] == ["o-2"]
        assert await outbox.heads() == []

    async def test_what_is_born_claimed_is_not_claimed_before_its_lease_runs_out(
        self, outbox: Outbox
    ) -> None:
        """Birth and relay obey one rule."""
        await outbox.record(a_message("o-1", 1), a_message("o-1", 2), claimed=True)
        assert await outbox.heads() == []
        await outbox.run_out()
        assert await outbox.heads() == [1]

    async def test_a_lost_claim_can_write_nothing(self, outbox: Outbox) -> None:
        """The token fences renewals and both kinds of answers."""
        (stale,) = await outbox.record(a_message("o-1", 1), a_message("o-1", 2), claimed=True)
        await outbox.run_out()
        (fresh,) = await outbox.store.claim_heads(10)
        assert await outbox.store.renew([stale]) == set()
        assert await outbox.store.mark_failed([FailedSend(stale, "late")]) == 0
        assert await outbox.store.mark_published([(stale, ACK)]) == 0
        assert await outbox.heads() == []
        assert await outbox.store.mark_published([(fresh, ACK)]) == 1
        assert await outbox.store.mark_published([(fresh, ACK)]) == 0
        assert await outbox.heads() == [2]

    async def test_a_lease_that_nobody_took_can_be_renewed_after_its_end(self, outbox: Outbox) -> None:
        """The row is still its holder's, and then again no one else's."""
        (claim,) = await outbox.record(a_message(), claimed=True)
        await outbox.run_out()
        assert await outbox.store.renew([claim]) == {claim.message.event_id}
        assert await outbox.heads() == []

    async def test_an_unknown_send_gives_its_row_free_when_its_wait_is_over(self, outbox: Outbox) -> None:
        """Nothing behind it goes first."""
        now, later = await outbox.record(
            a_message("o-1", 1), a_message("o-1", 2), a_message("o-2", 5), claimed=True
        )
        failures = [FailedSend(now, "unknown"), FailedSend(later, "configuration", wait_seconds=60.0)]
        assert await outbox.store.mark_failed(failures) == 2
        assert await outbox.heads() == [1]

    async def test_a_dead_row_holds_its_order_and_no_other(self, outbox: Outbox) -> None:
        """What is recorded behind it later is born unclaimed."""
        claims = await outbox.record(a_message("o-1", 1), a_message("o-2", 1), claimed=True)
        bad = next(claim for claim in claims if claim.message.aggregate_id == "o-1")
        await outbox.store.mark_failed([FailedSend(bad, "refused", dead=True)])
        await outbox.run_out()
        assert await outbox.record(a_message("o-1", 2), claimed=True) == []
        assert [claim.message.aggregate_id for claim in await outbox.store.claim_heads(9)] == ["o-2"]
        assert (await outbox.store.backlog()).dead == 1


class TestInMemoryOutbox(OutboxContract):
    """The outbox of the simulation."""

    @pytest.fixture
    def outbox(self) -> Outbox:
        """Empty."""
        store = InMemoryOutbox(lease_seconds=LEASE_SECONDS)

        async def commit(messages: Sequence[EventMessage], claimed: bool) -> list[Claim]:
            transaction = InMemoryTransaction(store)
            await transaction.add(messages, claimed=claimed)
            await transaction.commit()
            return transaction.claimed()

        async def run_out() -> None:
            for row in store.rows.values():
                row.lease_until = None if row.lease_until is None else store.clock() - 1.0

        return Outbox(store, commit, run_out)


class TestSqlOutbox(OutboxContract):
    """The outbox in PostgreSQL."""

    @pytest.fixture
    async def outbox(self, database_url: str) -> AsyncIterator[Outbox]:
        """Empty."""
        engine = create_engine(database_url, application_name="test-outbox")

        async def commit(messages: Sequence[EventMessage], claimed: bool) -> list[Claim]:
            async with driver_transaction(engine) as connection:
                recorder = SqlOutbox(connection, lease_seconds=LEASE_SECONDS)
                await recorder.add(messages, claimed=claimed)
                return list(recorder.claimed())

        async def run_out() -> None:
            over = "UPDATE outbox_event SET lease_until = clock_timestamp() - interval '1 s'"
            async with engine.begin() as connection:
                await connection.execute(text(f"{over} WHERE lease_until IS NOT NULL"))

        yield Outbox(OutboxStore(engine, lease_seconds=LEASE_SECONDS), commit, run_out)
        await engine.dispose()
