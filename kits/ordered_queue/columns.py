"""Ordered queue, table: which table is a queue, how it names a queue's columns, and what it adds to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template

from sqlalchemy import text

from kits.postgres.driver import DriverStatement

_PARTS = {
    "waiting": "q.$done_at IS NULL AND q.$dead_at IS NULL AND q.$given_up_at IS NULL",
    "dead": "q.$dead_at IS NOT NULL AND q.$done_at IS NULL AND q.$given_up_at IS NULL",
    "ended": "coalesce(q.$done_at, q.$given_up_at)",
    # statement_timestamp() can be an index condition; clock_timestamp() would be compared with every row.
    "unleased": "(q.$lease_until IS NULL OR q.$lease_until < statement_timestamp())",
    "mine": "q.$id = sent.id AND q.$token = CAST(:token AS uuid) AND q.$claim = sent.nth",
    "lease_end": "clock_timestamp() + make_interval(secs => CAST(:lease_seconds AS double precision))",
}
_GAPLESS = """CASE WHEN NOT EXISTS ($earlier) THEN 'done' WHEN NOT EXISTS (
    $earlier AND (q.$token IS DISTINCT FROM CAST(:token AS uuid) OR q.$dead_at IS NOT NULL)) THEN 'own' END"""
# Written so that it does not match the partial index of what waits: statistics from a time without a backlog
# make that look empty, and every row would read the whole backlog. The unique index finds the key's few rows.
_EARLIER = """SELECT 1 FROM $queue q WHERE $scope AND q.$key = new.key AND q.$number < new.number
    AND coalesce(q.$done_at, 'infinity') = 'infinity' AND q.$given_up_at IS NULL"""
_WITH_GAPS = """CASE WHEN new.is_first THEN 'done' ELSE (
    SELECT CASE WHEN q.$done_at IS NOT NULL OR q.$given_up_at IS NOT NULL THEN 'done'
                WHEN q.$token = CAST(:token AS uuid) AND q.$dead_at IS NULL THEN 'own' END
      FROM $queue q WHERE $scope AND q.$key = new.key AND q.$number = new.number - 1) END"""


@dataclass(frozen=True, slots=True)
class QueueTable:
    """A table with a queue's columns under its own names.

    `due_at` and `id` need an index WHERE the row waits; `key` and `number` a unique one.
    """

    queue: str
    """The table's qualified name."""
    scope: str = "TRUE"
    """Which of its rows belong to this queue: a condition on columns of `q`."""
    gaps: bool = False
    """A number that has no row: True, it may come yet (the column `is_first` says where a key begins); False,
    it was deleted, since numbers come in the order of commits."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that a new row brings, with their types."""
    derived: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that follow from what a new row brings: SQL over its columns, or a constant."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that are written when an item is done, with their types."""
    closed: str = "FALSE"
    """When nothing more will come of the key of `q`: its newest row is deleted like the others."""
    id: str = "id"
    id_type: str = "uuid"
    key: str = "key"
    number: str = "number"
    payload: str = "payload"
    payload_size: str = "payload_size"
    attempts: str = "attempts"
    done_at: str = "done_at"
    dead_at: str = "dead_at"
    given_up_at: str = "given_up_at"
    replayed_at: str = "replayed_at"
    due_at: str = "due_at"
    token: str = "token"  # noqa: S105 - a column's name
    claim: str = "claim"
    lease_until: str = "lease_until"
    error: str = "error"

    def statement(self, template: str) -> DriverStatement:
        """A statement on this table: `$queue q` is the table, `$id`, `$key` … are its columns."""
        names = {name: getattr(self, name) for name in self.__slots__}
        new = {**self.extra, "is_first": "boolean"} if self.gaps else self.extra
        parts = {
            "predecessor": _WITH_GAPS if self.gaps else Template(_GAPLESS).safe_substitute(earlier=_EARLIER),
            "first": ", is_first" if self.gaps else "",
            "new_columns": "".join(f', "{name}"' for name in (*new, *self.derived)),
            "new_values": "".join(f', "{name}"' for name in new)
            + "".join(f", {value}" for value in self.derived.values()),
            "new_types": "".join(f', "{name}" {kind}' for name, kind in new.items()),
            "written_types": "".join(f', "{name}" {kind}' for name, kind in self.written.items()),
            "written_values": "".join(f', "{name}" = sent."{name}"' for name in self.written),
        }
        return DriverStatement(
            text(Template(Template(template).safe_substitute(_PARTS | parts)).substitute(names))
        )
