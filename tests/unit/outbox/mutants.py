"""Broken variants of the outbox's rules. Each must be caught by the simulation, or it is blind there.

The rules of the SQL are broken in its twin in memory; the contract suite holds the two together.
"""

import math
from collections.abc import Callable

import pytest

from app.outbox import publisher, write_back
from app.outbox.breaker import PublishBreaker
from app.outbox.publisher import OutboxPublisher
from app.outbox.relay import OutboxRelay
from app.outbox.store import FailedSend
from app.outbox.write_back import WriteBack
from kits.kafka.records import Acknowledgement
from tests.unit.outbox import in_memory
from tests.unit.outbox.in_memory import InMemoryOutbox, InMemoryTransaction, Row

Mutant = Callable[[pytest.MonkeyPatch], None]


def a_relay_claims_what_is_no_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryOutbox, "_is_head", lambda _self, row: row.published_at is None)


def a_published_row_is_claimed_again(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: InMemoryOutbox, row: Row) -> bool:
        return not in_memory.any_earlier_unpublished(self.rows, row.message)

    patch.setattr(InMemoryOutbox, "_is_head", wrong)


def a_relay_does_not_look_at_leases(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryOutbox, "_is_free", lambda _self, row: row.dead_at is None)


def a_dead_row_is_claimed_again(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: InMemoryOutbox, row: Row) -> bool:
        return row.lease_until is None or row.lease_until < self.clock()

    patch.setattr(InMemoryOutbox, "_is_free", wrong)


def a_row_behind_an_unpublished_one_is_born_claimed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTransaction, "_may_be_claimed", lambda _self, _row, _new: True)


def a_birth_looks_at_its_own_transaction_alone(patch: pytest.MonkeyPatch) -> None:
    def wrong(_self: InMemoryTransaction, row: Row, new: dict[str, Row]) -> bool:
        return not in_memory.any_earlier_unpublished(new, row.message)

    patch.setattr(InMemoryTransaction, "_may_be_claimed", wrong)


def answers_are_not_fenced_by_the_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryOutbox, "_is_mine", lambda _self, _claim: True)


def the_senders_own_deadline_never_comes(patch: pytest.MonkeyPatch) -> None:
    for module in (in_memory, write_back):
        patch.setattr(module, "send_until", lambda _asked_at, _lease_seconds: math.inf)


def the_senders_own_deadline_is_the_end_of_the_lease(patch: pytest.MonkeyPatch) -> None:
    for module in (in_memory, write_back):
        patch.setattr(module, "send_until", lambda asked_at, lease_seconds: asked_at + lease_seconds)


def renewals_forget_rows(patch: pytest.MonkeyPatch) -> None:
    real = InMemoryOutbox.renew
    patch.setattr(InMemoryOutbox, "renew", lambda self, claims: real(self, claims[1:]))


def nothing_is_renewed(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_self: WriteBack) -> None:
        return

    patch.setattr(WriteBack, "_renew", nothing)


def an_unknown_send_counts_as_published(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: WriteBack, failure: FailedSend) -> None:
        self.acknowledged(failure.claim, Acknowledgement("order-events", 0, -1))

    patch.setattr(WriteBack, "failed", wrong)


def an_unknown_send_is_dead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publisher, "failed_send", lambda claim, _error: FailedSend(claim, "?", dead=True))


def a_refused_row_is_sent_again_and_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publisher, "failed_send", lambda claim, _error: FailedSend(claim, "?"))


def a_failed_send_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteBack, "failed", lambda _self, _failure: None)


def answers_are_lost_with_the_database(patch: pytest.MonkeyPatch) -> None:
    real = WriteBack._write

    async def wrong(self: WriteBack) -> None:
        try:
            await real(self)
        except OSError:
            self._acknowledged.clear()
            raise

    patch.setattr(WriteBack, "_write", wrong)


def accepts_ignores_the_breaker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OutboxPublisher, "accepts", lambda self: self.held < self._max_held)


def accepts_ignores_what_is_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OutboxPublisher, "accepts", lambda self: not self.stalled)


def the_relay_ignores_the_breaker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OutboxRelay, "_room", lambda _self: 1000)


def the_relay_probes_with_a_batch(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: OutboxRelay) -> int:
        held = self._publisher.held
        return 1000 if held == 0 or not self._publisher.stalled else 0

    patch.setattr(OutboxRelay, "_room", wrong)


def the_relay_never_probes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OutboxRelay, "_room", lambda self: 0 if self._publisher.stalled else 1000)


def the_breaker_never_opens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PublishBreaker, "look", lambda _self, **_seen: False)


def the_breaker_never_closes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PublishBreaker, "completed", lambda _self: False)


MUTANTS: tuple[Mutant, ...] = (
    a_relay_claims_what_is_no_head,
    a_published_row_is_claimed_again,
    a_relay_does_not_look_at_leases,
    a_dead_row_is_claimed_again,
    a_row_behind_an_unpublished_one_is_born_claimed,
    a_birth_looks_at_its_own_transaction_alone,
    answers_are_not_fenced_by_the_token,
    the_senders_own_deadline_never_comes,
    the_senders_own_deadline_is_the_end_of_the_lease,
    renewals_forget_rows,
    nothing_is_renewed,
    an_unknown_send_counts_as_published,
    an_unknown_send_is_dead,
    a_refused_row_is_sent_again_and_again,
    a_failed_send_is_forgotten,
    answers_are_lost_with_the_database,
    accepts_ignores_the_breaker,
    accepts_ignores_what_is_held,
    the_relay_ignores_the_breaker,
    the_relay_probes_with_a_batch,
    the_relay_never_probes,
    the_breaker_never_opens,
    the_breaker_never_closes,
)
