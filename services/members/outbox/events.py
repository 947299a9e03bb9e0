"""Outbox: the adapter that tells one change in every version of the contract, in its own transaction."""

from collections.abc import Sequence

from contracts.member_events import (
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
    MemberEvent,
    MemberUpdatedV1,
    MemberUpdatedV2,
    encode,
    event_id,
    full_name,
)
from kits.ordered_queue.actions import Actions
from kits.ordered_queue.sql_store import Enqueue
from kits.outbox.recording import Recording
from kits.postgres.driver import DriverConnection
from services.members.outbox.table import MemberItem
from services.members.ports import Member


class MemberEvents:
    """Knows in which versions a change is told, and their bytes. Retiring version 1 is its one condition."""

    def __init__(self, *, publish_v1: bool) -> None:
        self._publish_v1 = publish_v1

    def of(self, member: Member, *, traceparent: str = "") -> list[MemberItem]:
        """The events of this version of a member: the same ids and bytes whenever they are made."""
        told: list[tuple[str, str, MemberEvent]] = [("v2", MEMBER_UPDATED_V2, _v2(member))]
        if self._publish_v1:
            told.append(("v1", MEMBER_UPDATED_V1, _v1(member)))
        return [
            MemberItem(
                event_id(topic, member.id, member.version),
                f"{version}:{member.id}",
                member.version,
                encode(event),
                topic=topic,
                member_id=member.id,
                changed_at=member.updated_at,
                traceparent=traceparent,
            )
            for version, topic, event in told
        ]


class MemberOutbox(Recording):
    """The outbox inside one transaction."""

    def __init__(
        self, connection: DriverConnection, enqueue: Enqueue, *, events: MemberEvents, actions: Actions
    ) -> None:
        super().__init__(connection, enqueue)
        self._events = events
        self._actions = actions

    async def add(self, member: Member, *, traceparent: str, claimed: bool) -> None:
        """See Outbox.

        Raises:
            OutboxConflictError: the outbox has another event of this version; roll back.
        """
        items = self._events.of(member, traceparent=traceparent)
        await self.record(items, items, claimed=claimed)

    async def repeat(self, members: Sequence[Member]) -> int:
        """See Outbox and Recording.record_again.

        Raises:
            OutboxConflictError: the outbox has another event of one of these versions; roll back.
        """
        items = [item for member in members for item in self._events.of(member)]
        return await self.record_again(items, self._actions)


def _v1(member: Member) -> MemberUpdatedV1:
    name = full_name(member.first_name, member.last_name)
    return MemberUpdatedV1(member_id=member.id, name=name, version=member.version)


def _v2(member: Member) -> MemberUpdatedV2:
    return MemberUpdatedV2(
        member_id=member.id,
        first_name=member.first_name,
        last_name=member.last_name,
        version=member.version,
    )
