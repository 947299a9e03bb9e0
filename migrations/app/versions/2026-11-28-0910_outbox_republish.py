"""Operators may send published events once more: the audit takes `republish`."""

from kits.postgres.migration_steps import run

revision = "2026_11_28_0910"
down_revision = "2026_11_28_0900"

CONTRACT = "the check takes more than before: an older build writes nothing that it refuses"


def upgrade() -> None:
    run(
        """
        ALTER TABLE {schema}.outbox_audit
            DROP CONSTRAINT ck_outbox_audit_action,
            ADD CONSTRAINT ck_outbox_audit_action CHECK (action IN ('retry', 'abandon', 'republish'))
        """,
    )
