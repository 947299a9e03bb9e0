"""Ordered queue, table: which table is a queue, how it names a queue's columns, and what it adds to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from string import Template

from sqlalchemy import text

from kits.postgres.driver import DriverStatement
from kits.postgres.schema import unnest

_WORDS = {
    # A plan may be made while the table is empty, and stay (ADR 16): so only looks match the partial index of
    # what waits and ask by the scope, a question per row ends in OFFSET 0, and what is sent is taken for few.
    "ours": "(($scope) IS TRUE)",
    "of_key": "$ours AND ($key_scope) AND q.$key",
    "waiting": "q.$done_at IS NULL AND q.$dead_at IS NULL AND q.$given_up_at IS NULL",
    "is_open": "coalesce(q.$done_at, q.$dead_at, q.$given_up_at) IS NULL",
    "dead": "q.$dead_at IS NOT NULL AND q.$done_at IS NULL AND q.$given_up_at IS NULL",
    "over": "(q.$done_at IS NOT NULL OR q.$given_up_at IS NOT NULL)",
    "ended": "coalesce(q.$done_at, q.$given_up_at)",
    # statement_timestamp() can be an index condition; clock_timestamp() would be compared with every row.
    # What lies further ahead than anything that is ever written is of a time before the clock was set back.
    "unleased": "(q.$lease_until IS NULL OR q.$lease_until < statement_timestamp()"
    " OR q.$lease_until > statement_timestamp() + interval '3 minutes')",
    "is_due": "(q.$due_at <= statement_timestamp()"
    " OR q.$due_at > statement_timestamp() + interval '3 minutes')",
    "few": "sent.id IS NOT DISTINCT FROM sent.id",
    "mine": "$few AND $ours AND q.$id = sent.id AND q.$token = CAST(:token AS uuid) AND q.$claim = sent.nth",
    "lease_end": "clock_timestamp() + make_interval(secs => CAST(:lease_seconds AS double precision))",
    "attempts_after": "(q.$attempts + CASE WHEN sent.kind = 'failed' AND ($charged) THEN 1 ELSE 0 END)",
    "dying": "(sent.kind = 'refused' OR sent.kind = 'failed' AND ($dies))",
    "becomes_done": "(sent.kind = 'done' OR $dying AND q.$replayed_at IS NOT NULL)",
    "before": """SELECT 1 FROM $queue q
        WHERE $of_key = new.key AND q.$number = new.number - 1 OFFSET 0""",
    # What may be claimed, and why: `new` has key, number and is_first.
    "before_it": """$of_key = new.key AND q.$number < new.number
        AND coalesce(q.$done_at, q.$given_up_at) IS NULL""",
    "at_it": "$of_key = sent.key AND q.$number = sent.number",
    "behind_it": "$of_key = sent.key AND q.$number > sent.number",
    "handed_over": "$of_key = sent.key AND q.$was_number = sent.number",
    "in_runs": """new.number - dense_rank() OVER by_key AS run,
           lag(new.number) OVER by_key IS DISTINCT FROM new.number - 1 AS heads_run""",
    # The rows of `numbered` (key, number, size, run): a run is claimed when the number before it allows it.
    "runs": """judged AS (
    SELECT new.*, CASE WHEN CAST(:claimed AS boolean) AND heads_run THEN $predecessor END AS known
      FROM numbered new OFFSET 0
), runs AS (
    SELECT *, CASE WHEN heads_run THEN known WHEN place > CAST(:longest_run AS bigint)
                        OR ahead >= CAST(:run_bytes AS bigint) THEN NULL
                   WHEN head_known IS NOT NULL THEN 'own' END AS predecessor
      FROM (SELECT *, row_number() OVER run AS place, sum(size) OVER run - size AS ahead,
                   first_value(known) OVER run AS head_known
              FROM judged WINDOW run AS (PARTITION BY key, run ORDER BY number)) placed
)""",
    "state": """CASE WHEN q.$given_up_at IS NOT NULL THEN 'given up' WHEN q.$done_at IS NOT NULL THEN 'done'
        WHEN q.$dead_at IS NOT NULL THEN CASE WHEN q.$number IS NULL THEN 'unnumbered' ELSE 'dead' END
        WHEN q.$replayed_at IS NOT NULL THEN 'replayed' WHEN q.$claim = 0 THEN 'unclaimed'
        WHEN $unleased AND EXISTS ($dead_before) THEN 'unclaimed' ELSE 'waiting' END""",
    # A run was given back when its head died: whoever sent what stands behind it has seen the head succeed.
    "dead_before": """SELECT 1 FROM (SELECT q.$key AS key, q.$number AS number) new, LATERAL (
        SELECT 1 FROM $queue q WHERE $before_it AND q.$dead_at IS NOT NULL LIMIT 1) dead OFFSET 0""",
    "asked": """asked AS (
    SELECT DISTINCT id FROM $sent_ids WHERE $few
), locked AS (
    SELECT q.$id AS id, $state AS state FROM asked JOIN $queue q ON q.$id = asked.id
     WHERE $ours ORDER BY q.$id FOR UPDATE OF q
)""",
    # Without joins: those are nested loops here, and each of a thousand ids would read a thousand rows.
    "outcome": """SELECT id, bool_or(is_changed), coalesce(max(state), 'missing') FROM (
    SELECT id, FALSE AS is_changed, CAST(NULL AS text) AS state FROM asked
     UNION ALL SELECT id, FALSE, state FROM locked UNION ALL SELECT id, TRUE, NULL FROM changed) each_one
 GROUP BY id""",
    "open": """waiting AS MATERIALIZED (
    SELECT q.$id AS id, q.$key AS key, q.$number AS number, q.$due_at AS due,
           coalesce(q.$replayed_at, $born_at) AS born $first
      FROM $queue q WHERE $scope AND $waiting ORDER BY q.$due_at, q.$id LIMIT CAST(:counted AS bigint)
), missing AS (
    SELECT new.* FROM (
        SELECT *, lag(number) OVER (PARTITION BY key ORDER BY number) AS former FROM waiting) new
     WHERE new.former IS DISTINCT FROM new.number - 1 AND new.number IS NOT NULL AND $missing
       AND new.due < statement_timestamp() - $gap_age
)""",
}
_WITH_GAPS = {
    "predecessor": """CASE WHEN new.is_first THEN 'done' ELSE (
        SELECT CASE WHEN $over THEN 'done'
                    WHEN q.$token = CAST(:token AS uuid) AND q.$dead_at IS NULL THEN 'own' END
          FROM $queue q WHERE $of_key = new.key AND q.$number = new.number - 1) END""",
    "missing": "NOT new.is_first AND NOT new.replayed AND NOT EXISTS ($before)",
    "first": ", q.is_first, q.$replayed_at IS NOT NULL AS replayed",
    # What was done once stands behind what was done too: if that has no row any more, it was deleted.
    "begins": ", new.is_first OR new.replayed AND NOT EXISTS ($before) AS is_first",
    "inherits": """, is_first OR EXISTS (
        SELECT 1 FROM $queue q WHERE $handed_over AND q.is_first OFFSET 0)""",
}
_GAPLESS = {
    "predecessor": """CASE
        WHEN NOT EXISTS (SELECT 1 FROM $queue q WHERE $before_it OFFSET 0) THEN 'done'
        WHEN NOT EXISTS (SELECT 1 FROM $queue q WHERE $before_it AND (
            q.$token IS DISTINCT FROM CAST(:token AS uuid) OR q.$dead_at IS NOT NULL) OFFSET 0)
        THEN 'own' END""",
    "missing": "FALSE",
    "first": "",
    "begins": "",
    "inherits": "",
}

_END = {
    "nth": "bigint",
    "kind": "text",
    "code": "text",
    "reason": "text",
    "wait_seconds": "double precision",
    "age_seconds": "double precision",
}


@dataclass(frozen=True, slots=True, eq=False)
class QueueTable:
    """A table with a queue's columns under its own names; several queues may share it, by `scope`.

    It needs unique indexes of `id` and of `key, number`, the scope's columns behind them, and one of the
    scope's columns and `due_at, id` WHERE the row waits. The owner's SQL means the row by `q`, and what is
    written of it by `sent`: kind, code, reason, wait_seconds, and age_seconds (how long ago its call began).
    """

    queue: str
    """The table's qualified name."""
    born_at: str
    """When an item came to be: an expression over `q`."""
    scope: str = "TRUE"
    """Which of its rows belong to this queue: a condition on `q`."""
    key_scope: str = "TRUE"
    """What the index of `key, number` has before them, or as condition: true of all that have a number."""
    gaps: bool = False
    """A number that has no row: True, it may come yet (the column `is_first` says where a key begins); False,
    it was deleted, since numbers come in the order of commits."""
    gap_seconds: float = 30.0
    """From when on a number counts as missing."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that a new row brings, with their types."""
    derived: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that follow from what a new row brings: SQL over its columns, or a constant."""
    written: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that are written when an item is done, with their types."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """The owner's columns that are written of an item that was sent and is not done, with their SQL."""
    charged: str = "TRUE"
    """Whether a failure costs an attempt: a condition on `q` and `sent`."""
    dies: str = "FALSE"
    """Whether a failed item is dead now: as `charged`; `$attempts_after` are the attempts with this one."""
    keeps_payload: str = "TRUE"
    """Whether a done item keeps its payload: a condition on `q`. What waits without one is not claimed."""
    forgotten: Sequence[str] = ()
    """The owner's columns that go with the payload."""
    closed: str = "FALSE"
    """When nothing more will come of the key of `q`: its newest row is deleted like the others."""
    deletable: str = "TRUE"
    """What else must be true of `q` before it is deleted."""
    id: str = "id"
    id_type: str = "uuid"
    key: str = "key"
    number: str = "number"
    was_number: str = "was_number"
    """The number of a row that handed it to a notice."""
    payload: str = "payload"
    payload_size: str = "payload_size"
    attempts: str = "attempts"
    done_at: str = "done_at"
    dead_at: str = "dead_at"
    given_up_at: str = "given_up_at"
    replayed_at: str = "replayed_at"
    redriven_at: str = ""
    """When a dead item was put back; empty: the table does not keep it."""
    due_at: str = "due_at"
    token: str = "token"  # noqa: S105 - a column's name
    claim: str = "claim"
    lease_until: str = "lease_until"

    @property
    def new_columns(self) -> Mapping[str, str]:
        """What a new row brings, with the types."""
        kit = {"id": self.id_type, "key": "text", "number": "bigint", "payload": "bytea"}
        return {**kit, **self.extra, **({"is_first": "boolean"} if self.gaps else {})}

    @property
    def end_columns(self) -> Mapping[str, str]:
        """What is written of an item that was claimed, with the types."""
        return {"id": self.id_type, **_END, **self.written}

    @property
    def first_id(self) -> str:
        """What no id lies before."""
        return "00000000-0000-0000-0000-000000000000" if self.id_type == "uuid" else ""

    def statement(self, template: str) -> DriverStatement:
        """A statement on this table: `$queue q` is the table, `$id`, `$key` … are its columns."""
        return _statement(self, template)


@cache
def _statement(table: QueueTable, template: str) -> DriverStatement:
    words = {each.name: getattr(table, each.name) for each in fields(table)} | _WORDS | _words(table)
    while "$" in template:
        template = Template(template).substitute(words)
    return DriverStatement(text(template))


def _words(table: QueueTable) -> dict[str, str]:
    new = [*table.extra, *(["is_first"] if table.gaps else [])]
    derived = "".join(f", {value}" for value in table.derived.values())
    gone = (table.payload, *table.forgotten)
    return {
        **(_WITH_GAPS if table.gaps else _GAPLESS),
        "new_columns": "".join(f', "{name}"' for name in (*new, *table.derived)),
        "new_values": "".join(f', "{name}"' for name in new) + derived,
        "told_values": "".join(f', "{name}"' for name in table.extra) + "$inherits" + derived,
        "new_rows": unnest("new", table.new_columns),
        "sent_ids": unnest("sent", {"id": table.id_type}),
        "sent_claims": unnest("sent", {"id": table.id_type, "nth": "bigint"}),
        "sent_places": unnest("told", {"key": "text", "number": "bigint"}),
        "sent_ends": unnest("sent", table.end_columns),
        "owners_values": _values("sent.kind = 'done'", {name: f'sent."{name}"' for name in table.written})
        + _values("sent.kind <> 'done'", table.settled),
        "forgets": ""
        if table.keeps_payload == "TRUE"
        else _values("$becomes_done AND ($keeps_payload) IS NOT TRUE", dict.fromkeys(gone, "NULL")),
        "put_back": _values("locked.state = 'done'", {table.replayed_at: "clock_timestamp()"})
        + _values(
            "locked.state = 'dead'", {table.redriven_at: "clock_timestamp()"} if table.redriven_at else {}
        ),
        "gap_age": f"make_interval(secs => {float(table.gap_seconds)})",
    }


def _values(condition: str, columns: Mapping[str, str]) -> str:
    return "".join(
        f', "{name}" = CASE WHEN {condition} THEN {sql} ELSE q."{name}" END' for name, sql in columns.items()
    )
