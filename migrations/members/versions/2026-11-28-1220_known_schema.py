"""Under which ids of a schema registry the members' events may be written as Avro. Only adds."""

from kits.postgres.migration_steps import run

revision = "202611281220"
down_revision = "202611281100"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.member_known_schema (
            registry text NOT NULL,
            id integer NOT NULL,
            subject text NOT NULL,
            fingerprint text NOT NULL,
            definition text NOT NULL,
            registered_at timestamptz,
            known_since timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_member_known_schema PRIMARY KEY (registry, id)
        )
        """,
        """
        CREATE UNIQUE INDEX uq_member_known_schema_registered
            ON {schema}.member_known_schema (registry, fingerprint)
            WHERE registered_at IS NOT NULL
        """,
    )
