"""The schemas that the inbox has met in Avro records, under the ids of their registry. Only adds."""

from kits.postgres.migration_steps import run

revision = "202611281210"
down_revision = "202611272200"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.inbox_known_schema (
            registry text NOT NULL,
            id integer NOT NULL,
            subject text NOT NULL,
            fingerprint text NOT NULL,
            definition text NOT NULL,
            registered_at timestamptz,
            known_since timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_inbox_known_schema PRIMARY KEY (registry, id)
        )
        """,
        """
        CREATE UNIQUE INDEX uq_inbox_known_schema_registered
            ON {schema}.inbox_known_schema (registry, fingerprint)
            WHERE registered_at IS NOT NULL
        """,
    )
