"""Under which ids of a schema registry the shop's events may be written as Avro. Only adds."""

from kits.postgres.migration_steps import run

revision = "2026_11_28_1200"
down_revision = "2026_11_28_1000"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.outbox_known_schema (
            registry text NOT NULL,
            id integer NOT NULL,
            subject text NOT NULL,
            fingerprint text NOT NULL,
            definition text NOT NULL,
            registered_at timestamptz,
            known_since timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_outbox_known_schema PRIMARY KEY (registry, id)
        )
        """,
        """
        CREATE UNIQUE INDEX uq_outbox_known_schema_registered
            ON {schema}.outbox_known_schema (registry, fingerprint)
            WHERE registered_at IS NOT NULL
        """,
    )
