"""Who changed the catalogue and the stock, when, and why. Only adds tables: the previous build runs on it."""

from kits.postgres.migration_steps import run

revision = "2026_11_22_0900"
down_revision = "2026_11_21_1130"


def upgrade() -> None:
    # No foreign keys: an audit outlives what it tells about, and must not lock it.
    run(
        """
        CREATE TABLE {schema}.stock_audit (
            id uuid CONSTRAINT pk_stock_audit PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            product_id text NOT NULL,
            delta integer NOT NULL CONSTRAINT ck_stock_audit_delta CHECK (delta <> 0),
            stock_after integer NOT NULL,
            reason text NOT NULL
        )
        """,
        "CREATE INDEX ix_stock_audit_product_id_at ON {schema}.stock_audit (product_id, at)",
        """
        CREATE TABLE {schema}.catalogue_audit (
            id uuid CONSTRAINT pk_catalogue_audit PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            source text NOT NULL,
            kind text NOT NULL CONSTRAINT ck_catalogue_audit_kind CHECK (kind IN ('product', 'coupon')),
            subject text NOT NULL,
            before jsonb,
            after jsonb NOT NULL
        )
        """,
        "CREATE INDEX ix_catalogue_audit_kind_subject_at ON {schema}.catalogue_audit (kind, subject, at)",
    )
