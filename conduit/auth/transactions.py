"""Transactions of auth: accounts and their events together, and events offered after the commit alone."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.auth.outbox import UserOutbox
from conduit.auth.store import SqlAccounts
from kits.ordered_queue.actions import Actions
from kits.ordered_queue.item import Claim
from kits.ordered_queue.sql_store import Enqueue
from kits.outbox.operating import outages_told
from kits.postgres.driver import DriverConnection, driver_transaction
from kits.rpc_service.storage import RefusingEntry, RefusingLedger


class EventPublisher(Protocol):
    """kits.ordered_queue.queue.OrderedQueue: never fails its caller."""

    def accepts(self) -> bool:
        """Whether new events may be claimed for it now; if not, they go later."""
        ...

    def offer(self, claims: Sequence[Claim]) -> None:
        """Send these in the background. What can't be sent stays in the outbox."""
        ...


class UserWork:
    """ports.Work on one connection."""

    def __init__(
        self, connection: DriverConnection, enqueue: Enqueue, actions: Actions, *, claimed: bool
    ) -> None:
        self.accounts = SqlAccounts(connection)
        self.outbox = UserOutbox(connection, enqueue, actions=actions, claimed=claimed)


class UserTransactions:
    """ports.WorkOpener for commands: the running processes send the events.

    Raises:
        OutboxUnavailableError: the database is away; the same again is safe.
    """

    def __init__(self, engine: AsyncEngine, enqueue: Enqueue, actions: Actions) -> None:
        self._engine = engine
        self._enqueue = enqueue
        self._actions = actions

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[UserWork]:
        """See WorkOpener."""
        with outages_told():
            async with driver_transaction(self._engine) as connection:
                yield UserWork(connection, self._enqueue, self._actions, claimed=False)


class PublishingEntry:
    """kits.rpc.ledger.RequestEntry whose work is a UserWork; its events are sent once they are stored."""

    def __init__(self, entry: RefusingEntry, work: UserWork, publisher: EventPublisher) -> None:
        self.work = work
        self.is_answered = entry.is_answered
        self.reply = entry.reply
        self._entry = entry
        self._publisher = publisher

    async def finish(self, reply: bytes | None) -> None:
        """See RequestEntry. Raises: RpcError: what is stored then is sent when its lease has run out."""
        await self._entry.finish(reply)
        self._publisher.offer(self.work.outbox.claimed())

    async def abandon(self) -> None:
        """See RequestEntry."""
        await self._entry.abandon()


class PublishingLedger:
    """kits.rpc.ledger.RequestLedger: a request's transaction has the accounts and the outbox."""

    def __init__(
        self, ledger: RefusingLedger, enqueue: Enqueue, actions: Actions, publisher: EventPublisher
    ) -> None:
        self._ledger = ledger
        self._enqueue = enqueue
        self._actions = actions
        self._publisher = publisher

    async def begin(self, request_id: str) -> PublishingEntry:
        """See RequestLedger. Raises: RpcError."""
        entry = await self._ledger.begin(request_id)
        claimed = self._publisher.accepts()
        work = UserWork(entry.work, self._enqueue, self._actions, claimed=claimed)
        return PublishingEntry(entry, work, self._publisher)
