"""Persistence: the shop's tables. CHECK constraints are the last net behind the rules of the domain."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kits.postgres.schema import metadata

shop = metadata()

products = Table(
    "products",
    shop,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("price", BigInteger, CheckConstraint("price BETWEEN 0 AND 10000000000", "price"), nullable=False),
    Column("currency", Text, CheckConstraint("currency ~ '^[A-Z]{3}$'", "currency"), nullable=False),
    Column("stock", Integer, CheckConstraint("stock >= 0", "stock"), nullable=False),
    Column("seller_id", Text),
)

# Written by the worker's group `item-members`.
member_replica = Table(
    "member_replica",
    shop,
    Column("member_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)

coupons = Table(
    "coupons",
    shop,
    Column("code", Text, primary_key=True),
    Column("kind", Text, CheckConstraint("kind IN ('percent', 'fixed')", "kind"), nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("currency", Text),
    Column("minimum_subtotal", BigInteger, nullable=False, server_default="0"),
    Column("valid_from", DateTime(timezone=True)),
    Column("valid_until", DateTime(timezone=True)),
    Column("total_limit", Integer),
    Column("customer_limit", Integer),
    Column("used", Integer, nullable=False, server_default="0"),
    CheckConstraint("code = upper(btrim(code, E' \\t') COLLATE \"C\")", "code"),
    CheckConstraint("value > 0 AND (kind = 'fixed' OR value <= 100)", "value"),
    CheckConstraint("kind = 'percent' AND minimum_subtotal = 0 OR currency IS NOT NULL", "currency"),
    CheckConstraint("used >= 0 AND used <= coalesce(total_limit, used)", "used"),
)

orders = Table(
    "orders",
    shop,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, CheckConstraint("version >= 1", "version"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("subtotal", BigInteger, nullable=False),
    Column("discount", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("coupon_code", Text),
    Column("lines", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("client_reference", Text),
    CheckConstraint("status IN ('PENDING', 'PAID', 'FULFILLED', 'CANCELLED', 'EXPIRED')", "status"),
    CheckConstraint("discount BETWEEN 0 AND subtotal AND total = subtotal - discount", "amounts"),
    Index("ix_orders_customer_id_id", "customer_id", "id"),
    Index("ix_orders_pending_customer_id", "customer_id", postgresql_where=text("status = 'PENDING'")),
    Index("ix_orders_pending_expires_at", "expires_at", postgresql_where=text("status = 'PENDING'")),
    # The reference first: staff look for one without knowing whose it is.
    Index(
        "uq_orders_client_reference_customer_id",
        "client_reference",
        "customer_id",
        unique=True,
        postgresql_where=text("client_reference IS NOT NULL"),
    ),
)

coupon_uses = Table(
    "coupon_uses",
    shop,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("coupon_code", ForeignKey("coupons.code"), nullable=False),
    Column("customer_id", Text, nullable=False),
    Index("ix_coupon_uses_coupon_code_customer_id", "coupon_code", "customer_id"),
)

payments = Table(
    "payments",
    shop,
    Column("provider", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False),
    Column("amount", BigInteger, CheckConstraint("amount >= 0", "amount"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("outcome", Text, CheckConstraint("outcome IN ('accepted', 'refused')", "outcome"), nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Index("uq_payments_order_id_version", "order_id", "version", unique=True),
    Index(
        "uq_payments_accepted_order_id",
        "order_id",
        unique=True,
        postgresql_where=text("outcome = 'accepted'"),
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    shop,
    Column("customer_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("order_id", Uuid(as_uuid=False), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("order_version", Integer),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
