"""The outbox in memory: the rules of its SQL, held to them by tests/contract/test_outbox_contract.py."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.outbox.claim import Claim, send_until
from app.outbox.store import Backlog, FailedSend, OutboxStore
from contracts.envelope import EventMessage
from kits.kafka.records import Acknowledgement, Deadline

_tokens = itertools.count(1)


@dataclass
class Row:
    """One event in the outbox; times in seconds on the table's clock, None where nothing happened yet."""

    message: EventMessage
    token: str | None = None
    lease_until: float | None = None
    attempts: int = 0
    next_attempt_at: float | None = None
    published_at: float | None = None
    ack: Acknowledgement | None = None
    last_error: str | None = None
    dead_at: float | None = None
    claim: Claim | None = None
    """The claim that was granted last: what the database does not know, and the invariants want to."""


class InMemoryOutbox(OutboxStore):
    """One process's way to the rows that all share. Each statement happens at one moment."""

    def __init__(
        self,
        rows: dict[str, Row] | None = None,
        *,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows = {} if rows is None else rows
        self.lease_seconds = lease_seconds
        self.clock = clock

    async def ask(self) -> None:
        """The way of a statement to the server."""

    async def answer(self) -> None:
        """The way of its result back."""

    async def claim_heads(self, limit: int) -> list[Claim]:
        """See the store."""
        token, until = new_token(), send_until(self.clock(), self.lease_seconds)
        await self.ask()
        heads = [row for row in in_order(self.rows) if self._is_free(row) and self._is_head(row)]
        claims = [self._claim(row, token, until) for row in heads[:limit]]
        await self.answer()
        return claims

    async def renew(self, claims: Sequence[Claim]) -> set[str]:
        """See the store."""
        await self.ask()
        mine = [claim for claim in claims if self._is_mine(claim)]
        for claim in mine:
            self._row(claim).lease_until = self.clock() + self.lease_seconds
        await self.answer()
        return {claim.message.event_id for claim in mine}

    async def mark_published(self, sent: Sequence[tuple[Claim, Acknowledgement]]) -> int:
        """See the store."""
        await self.ask()
        mine = [(claim, ack) for claim, ack in sent if self._is_mine(claim)]
        for claim, ack in mine:
            self._publish(claim, ack)
        await self.answer()
        return len(mine)

    async def mark_failed(self, failed: Sequence[FailedSend]) -> int:
        """See the store."""
        await self.ask()
        mine = [each for each in failed if self._is_mine(each.claim)]
        for each in mine:
            self._fail(each)
        await self.answer()
        return len(mine)

    async def backlog(self) -> Backlog:
        """See the store; the age is 0."""
        waiting = [row for row in self.rows.values() if row.published_at is None]
        return Backlog(len(waiting), sum(row.dead_at is not None for row in waiting), 0.0)

    async def delete_published(self, *, older_than_days: int, limit: int) -> int:
        """Rows do not grow old here."""
        return 0

    def grant(self, row: Row, claim: Claim) -> None:
        """Give the row to this process; birth and relay alike."""
        row.claim, row.token = claim, claim.token
        row.lease_until = self.clock() + self.lease_seconds

    def _claim(self, row: Row, token: str, until: float) -> Claim:
        claim = Claim(row.message, token, Deadline(until), relayed=True)
        self.grant(row, claim)
        row.attempts += 1
        return claim

    def _is_free(self, row: Row) -> bool:
        now = self.clock()
        is_leased = row.lease_until is not None and row.lease_until >= now
        is_due = row.next_attempt_at is None or row.next_attempt_at <= now
        return row.dead_at is None and not is_leased and is_due

    def _is_head(self, row: Row) -> bool:
        return row.published_at is None and not any_earlier_unpublished(self.rows, row.message)

    def _is_mine(self, claim: Claim) -> bool:
        return self._row(claim).token == claim.token

    def _publish(self, claim: Claim, ack: Acknowledgement) -> None:
        row = self._row(claim)
        row.published_at, row.ack, row.last_error = self.clock(), ack, None
        row.token = row.lease_until = None

    def _fail(self, failed: FailedSend) -> None:
        row, now = self._row(failed.claim), self.clock()
        row.last_error, row.next_attempt_at = failed.error, now + failed.wait_seconds
        row.dead_at = now if failed.dead else None
        row.token = row.lease_until = None

    def _row(self, claim: Claim) -> Row:
        return self.rows[claim.message.event_id]


class InMemoryTransaction:
    """The birth of rows: nobody sees them before the commit."""

    def __init__(self, outbox: InMemoryOutbox) -> None:
        self._outbox = outbox
        self._born: dict[str, Row] = {}
        self._claims: list[Claim] = []

    async def add(self, messages: Sequence[EventMessage], *, claimed: bool) -> None:
        """See the recorder: the heads of their orders are born claimed, at the statement's moment."""
        token, until = new_token(), send_until(self._outbox.clock(), self._outbox.lease_seconds)
        await self._outbox.ask()
        new = {message.event_id: Row(message) for message in messages}
        for row in in_order(new):
            if claimed and self._may_be_claimed(row, new):
                self._claims.append(Claim(row.message, token, Deadline(until)))
                self._outbox.grant(row, self._claims[-1])
        self._born |= new
        await self._outbox.answer()

    def claimed(self) -> list[Claim]:
        """See the recorder."""
        return self._claims

    async def commit(self) -> None:
        """The one moment at which all of it is there."""
        await self._outbox.ask()
        self._outbox.rows.update(self._born)
        await self._outbox.answer()

    def _may_be_claimed(self, row: Row, new: Mapping[str, Row]) -> bool:
        return not any_earlier_unpublished({**self._outbox.rows, **self._born, **new}, row.message)


def new_token() -> str:
    """No two claims share one, but for the rows of one statement."""
    return f"token-{next(_tokens)}"


def in_order(rows: Mapping[str, Row]) -> list[Row]:
    """Oldest first."""
    return sorted(rows.values(), key=lambda row: row.message.event_id)


def any_earlier_unpublished(rows: Mapping[str, Row], message: EventMessage) -> bool:
    """Whether an event of the same order, with a smaller number, is not published."""
    return any(
        row.published_at is None
        and row.message.aggregate_id == message.aggregate_id
        and row.message.seq < message.seq
        for row in rows.values()
    )
