"""Ports: a member, what the use cases need of the outside, and what stands between a caller and an answer."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it stands; `version` grows by one with every change."""

    id: str
    first_name: str
    last_name: str
    version: int
    updated_at: datetime
    """By the database's clock, to the millisecond that the events carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutMember:
    """What a member is to be called from now on."""

    member_id: str
    first_name: str
    last_name: str
    traceparent: str
    must_exist: bool = False
    versions: frozenset[int] | None = None
    """The versions that the caller has in mind; None: any."""


class MembersError(Exception):
    """Root of the use case errors; `code` is stable, `facts` are shown to the caller."""

    code = "members_error"

    def __init__(self, reason: str, **facts: str | int) -> None:
        self.facts = facts
        super().__init__(reason)


class MemberNotFoundError(MembersError):
    """There is no such member."""

    code = "member_not_found"


class PreconditionFailedError(MembersError):
    """The member is not at a version that the caller has in mind, or is not there."""

    code = "precondition_failed"


class StorageError(MembersError):
    """The database did not bring a transaction to its end; `code` tells what that means for the caller."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


class MemberRepository(Protocol):
    """Members of one transaction."""

    async def add(self, member_id: str, first_name: str, last_name: str) -> Member | None:
        """A new member at version 1; None if there is one with this id."""
        ...

    async def lock(self, member_id: str) -> Member | None:
        """The member, its row locked."""
        ...

    async def lock_page(self, after: str, limit: int) -> Sequence[Member]:
        """Up to `limit` members behind this id, in the order of their ids, their rows locked."""
        ...

    async def rename(self, member_id: str, first_name: str, last_name: str) -> Member:
        """A locked member with other names, one version further."""
        ...


class Outbox(Protocol):
    """The events that are born in one transaction."""

    async def add(self, member: Member, *, traceparent: str, claimed: bool) -> None:
        """Record every event of this version; `claimed` ones belong to this process for a lease."""
        ...

    async def repeat(self, members: Sequence[Member]) -> int:
        """Let the events of these versions go out once more, made anew where they are gone; how many."""
        ...

    def claimed(self) -> Sequence[Any]:
        """The claims made by `add`, for the publisher; opaque here."""
        ...


class UnitOfWork(Protocol):
    """One transaction and what belongs to it."""

    members: MemberRepository
    outbox: Outbox


class Transactions(Protocol):
    """Opens units of work."""

    def __call__(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Leaving the block commits, an exception rolls everything back.

        Raises:
            StorageError: unless its code is `storage_unavailable`, nothing was committed.
        """
        ...


class MemberReader(Protocol):
    """Reads outside of any transaction of a use case."""

    async def member(self, member_id: str) -> Member | None:
        """One member."""
        ...


class EventPublisher(Protocol):
    """Brings claimed events to Kafka, after the commit, without ever failing its caller."""

    def accepts(self) -> bool:
        """Whether new events may be claimed for it now; if not, they go later."""
        ...

    def offer(self, claims: Sequence[Any]) -> None:
        """Send these in the background. What can't be sent stays in the outbox."""
        ...
