"""Use cases: look at a member, say what a member is called, tell everybody once more."""

from logging import DEBUG

from kits.observability.logs import get_logger
from services.members.metrics import MembersMetrics
from services.members.ports import (
    EventPublisher,
    Member,
    MemberNotFoundError,
    MemberReader,
    PreconditionFailedError,
    PutMember,
    Transactions,
    UnitOfWork,
)

log = get_logger(__name__)

_PAGE = 200


class Users:
    """A change is one transaction: the member's row and its events, or neither."""

    def __init__(
        self,
        transactions: Transactions,
        reader: MemberReader,
        publisher: EventPublisher,
        metrics: MembersMetrics,
    ) -> None:
        self._transactions = transactions
        self._reader = reader
        self._publisher = publisher
        self._changes = metrics.changes

    async def get(self, member_id: str) -> Member:
        """The member as it stands.

        Raises:
            MemberNotFoundError, StorageError.
        """
        member = await self._reader.member(member_id)
        if member is None:
            raise MemberNotFoundError("There is no such member.")
        return member

    async def put(self, command: PutMember) -> tuple[Member, bool]:
        """Create the member or rename it; the same names again change nothing. True: it is new.

        Raises:
            PreconditionFailedError: it is not as the caller has it in mind; nothing was done.
            StorageError: see Transactions.
        """
        async with self._transactions() as work:
            member, outcome = await self._written(work, command)
            if outcome != "unchanged":
                claimed = self._publisher.accepts()
                await work.outbox.add(member, traceparent=command.traceparent, claimed=claimed)
        self._publisher.offer(work.outbox.claimed())
        self._changes.labels(outcome).inc()
        if log.is_enabled_for(DEBUG):
            log.debug("member_put", member_id=member.id, version=member.version, outcome=outcome)
        return member, outcome == "created"

    async def _written(self, work: UnitOfWork, command: PutMember) -> tuple[Member, str]:
        names = command.first_name, command.last_name
        if not command.must_exist and (new := await work.members.add(command.member_id, *names)):
            return new, "created"
        member = await work.members.lock(command.member_id)
        if member is None:
            self._changes.labels("precondition_failed").inc()
            raise PreconditionFailedError("There is no such member yet, and If-Match asks for one.")
        if command.versions is not None and member.version not in command.versions:
            self._changes.labels("precondition_failed").inc()
            raise PreconditionFailedError("The member has changed.", version=member.version)
        if (member.first_name, member.last_name) == names:
            return member, "unchanged"
        return await work.members.rename(member.id, *names), "changed"


class Republishing:
    """Everything once more, for a topic that was lost: it changes rows, the running processes do the rest."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def all(self) -> int:
        """Put the newest events of every member back into the outbox, 200 members a transaction; how many.

        Safe twice, cut off in the middle, and beside changes: each member is locked for a moment.

        Raises:
            StorageError: what was done until then is done; the same again is safe.
        """
        count, after = 0, ""
        while True:
            async with self._transactions() as work:
                members = await work.members.lock_page(after, _PAGE)
                count += await work.outbox.repeat(members) if members else 0
            if len(members) < _PAGE:
                return count
            after = members[-1].id
