"""The outbox as an ordered queue. It only adds: the build before it works on the same rows at the same time.

A row that the older build inserts is due at once, was claimed no time, and counts as of a size that is rather
too large. The older build goes by `next_attempt_at` and its index, which leave with a later release.
"""

from kits.postgres.concurrent_indexes import ConcurrentIndex
from kits.postgres.migration_steps import run

revision = "2026_11_28_0900"
down_revision = "2026_11_27_1100"

CONCURRENT_INDEXES = (
    ConcurrentIndex(
        "ix_outbox_event_waiting",
        "outbox_event",
        "(due_at, event_id) WHERE published_at IS NULL AND dead_at IS NULL AND abandoned_at IS NULL",
    ),
    ConcurrentIndex(
        "ix_outbox_event_dead",
        "outbox_event",
        "(event_id) WHERE dead_at IS NOT NULL AND published_at IS NULL AND abandoned_at IS NULL",
    ),
)


def upgrade() -> None:
    # No default here is volatile: the table is not written anew.
    run(
        """
        ALTER TABLE {schema}.outbox_event
            ADD COLUMN payload_size integer NOT NULL DEFAULT 16384,
            ADD COLUMN claim bigint NOT NULL DEFAULT 0,
            ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),
            ADD COLUMN replayed_at timestamptz
        """,
    )
