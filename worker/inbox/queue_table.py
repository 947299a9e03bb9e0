"""Inbox: its table as an ordered queue, and when a failure is the event's own fault, in SQL."""

from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.columns import QueueTable
from kits.postgres.schema import qualified
from worker.inbox.error_class import ErrorClass
from worker.inbox.table import inbox_event, inbox_group

ATTEMPTS = 5
ALONE_SECONDS = 600.0

# Others succeeded after its former failed call had begun, and no outage has been noticed since.
_CHARGED = """(SELECT g.success_began_at > q.last_began_at
                  AND q.last_began_at > coalesce(g.opened_at, '-infinity')
             FROM {groups} g WHERE g.consumer_group = {group})"""
_DIES = """$attempts_after >= {attempts}
    AND q.first_failed_at <= clock_timestamp() - make_interval(secs => {alone_seconds})"""
_BEGAN = "clock_timestamp() - make_interval(secs => sent.age_seconds)"
_SETTLED = {
    "error_class": f"""CASE WHEN sent.kind = 'refused' THEN '{ErrorClass.REJECTED}'
        WHEN sent.kind = 'failed' AND $attempts_after > 0 THEN '{ErrorClass.FAILING_ALONE}'
        ELSE q.error_class END""",
    "error_code": "sent.code",
    "error_message": "sent.reason",
    # What it failed at together with others says nothing about it: the time counts from its own failure on.
    "first_failed_at": f"""CASE WHEN sent.kind <> 'failed' OR $attempts_after > 0
        THEN coalesce(q.first_failed_at, {_BEGAN}) ELSE {_BEGAN} END""",
    "last_failed_at": "clock_timestamp()",
    "last_began_at": f"CASE WHEN sent.kind = 'failed' THEN {_BEGAN} ELSE q.last_began_at END",
}


def inbox_queue(
    group: str,
    engine: AsyncEngine,
    *,
    attempts: int = ATTEMPTS,
    alone_seconds: float = ALONE_SECONDS,
    gap_seconds: float = 30.0,
) -> QueueTable:
    """The queue of one group. An event dies after so many attempts, and so long after its first failure.

    A failure is charged as an attempt when the call of somebody else's success began after this event's
    former failed call, and the platform has not been lost since: by any worker, before any restart.
    """
    of_group = "'" + group.replace("'", "''") + "'"
    return QueueTable(
        queue=qualified(inbox_event, engine),
        born_at="q.received_at",
        scope=f"q.consumer_group = {of_group}",
        gaps=True,
        gap_seconds=gap_seconds,
        id="event_id",
        id_type="text",
        key="order_id",
        number="seq",
        was_number="was_seq",
        done_at="delivered_at",
        redriven_at="redriven_at",
        extra={
            "event_type": "text",
            "topic": "text",
            "topic_id": "uuid",
            "partition": "integer",
            "offset": "bigint",
            "headers": "bytea",
        },
        derived={"consumer_group": of_group, "record_key": "convert_to(key, 'UTF8')"},
        # A notice was never in the topic; what died once waits for its copy in the dead-letter topic.
        keeps_payload="q.notice_of IS NOT NULL OR (q.redriven_at IS NOT NULL AND q.dlq_copied_at IS NULL)",
        forgotten=("record_key", "headers"),
        deletable="q.dlq_copied_at IS NOT NULL OR coalesce(q.dead_at, q.redriven_at) IS NULL",
        charged=_CHARGED.format(groups=qualified(inbox_group, engine), group=of_group),
        dies=_DIES.format(attempts=attempts, alone_seconds=alone_seconds),
        settled=_SETTLED,
    )
