"""The shop's tables and the outbox."""

from kits.postgres.migration_steps import run

revision = "2026_11_21_0900"
down_revision = None


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.products (
            id text CONSTRAINT pk_products PRIMARY KEY,
            name text NOT NULL,
            price bigint NOT NULL CONSTRAINT ck_products_price CHECK (price BETWEEN 0 AND 10000000000),
            currency text NOT NULL CONSTRAINT ck_products_currency CHECK (currency ~ '^[A-Z]{3}$'),
            stock integer NOT NULL CONSTRAINT ck_products_stock CHECK (stock >= 0)
        ) WITH (fillfactor = 50)
        """,
        """
        CREATE TABLE {schema}.coupons (
            code text CONSTRAINT pk_coupons PRIMARY KEY,
            kind text NOT NULL CONSTRAINT ck_coupons_kind CHECK (kind IN ('percent', 'fixed')),
            value bigint NOT NULL,
            currency text,
            minimum_subtotal bigint NOT NULL DEFAULT 0,
            valid_from timestamptz,
            valid_until timestamptz,
            total_limit integer,
            customer_limit integer,
            used integer NOT NULL DEFAULT 0,
            CONSTRAINT ck_coupons_value CHECK (value > 0 AND (kind = 'fixed' OR value <= 100)),
            CONSTRAINT ck_coupons_currency
                CHECK (kind = 'percent' AND minimum_subtotal = 0 OR currency IS NOT NULL),
            CONSTRAINT ck_coupons_used CHECK (used >= 0 AND used <= coalesce(total_limit, used))
        ) WITH (fillfactor = 50)
        """,
        """
        CREATE TABLE {schema}.orders (
            id uuid CONSTRAINT pk_orders PRIMARY KEY,
            customer_id text NOT NULL,
            status text NOT NULL,
            version integer NOT NULL CONSTRAINT ck_orders_version CHECK (version >= 1),
            currency text NOT NULL,
            subtotal bigint NOT NULL,
            discount bigint NOT NULL,
            total bigint NOT NULL,
            coupon_code text,
            lines jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            CONSTRAINT ck_orders_status
                CHECK (status IN ('PENDING', 'PAID', 'FULFILLED', 'CANCELLED', 'EXPIRED')),
            CONSTRAINT ck_orders_amounts
                CHECK (discount BETWEEN 0 AND subtotal AND total = subtotal - discount)
        )
        """,
        "CREATE INDEX ix_orders_customer_id_id ON {schema}.orders (customer_id, id)",
        """
        CREATE TABLE {schema}.coupon_uses (
            order_id uuid CONSTRAINT pk_coupon_uses PRIMARY KEY
                CONSTRAINT fk_coupon_uses_order_id REFERENCES {schema}.orders,
            coupon_code text NOT NULL CONSTRAINT fk_coupon_uses_coupon_code REFERENCES {schema}.coupons,
            customer_id text NOT NULL
        )
        """,
        "CREATE INDEX ix_coupon_uses_coupon_code_customer_id"
        " ON {schema}.coupon_uses (coupon_code, customer_id)",
        # Each row is written once and updated once or twice soon after: vacuum by count, not by share.
        """
        CREATE TABLE {schema}.outbox_event (
            event_id uuid CONSTRAINT pk_outbox_event PRIMARY KEY,
            aggregate_type text NOT NULL,
            aggregate_id text NOT NULL,
            seq integer NOT NULL,
            event_type text NOT NULL,
            event_version smallint NOT NULL,
            topic text NOT NULL,
            key bytea NOT NULL,
            payload bytea NOT NULL,
            headers jsonb NOT NULL,
            occurred_at timestamptz NOT NULL,
            published_at timestamptz,
            partition integer,
            "offset" bigint,
            lease_token uuid,
            lease_until timestamptz,
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz,
            last_error text,
            dead_at timestamptz,
            abandoned_at timestamptz
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
        """,
        "CREATE UNIQUE INDEX uq_outbox_event_aggregate_seq"
        " ON {schema}.outbox_event (aggregate_type, aggregate_id, seq) WHERE abandoned_at IS NULL",
        "CREATE INDEX ix_outbox_event_unpublished ON {schema}.outbox_event (event_id)"
        " WHERE published_at IS NULL AND abandoned_at IS NULL",
    )
