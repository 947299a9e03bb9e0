"""Persistence: the audit of the catalogue and of stock that moved without an order."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from app.persistence.tables import shop

stock_audit = Table(
    "stock_audit",
    shop,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("actor", Text, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("delta", Integer, CheckConstraint("delta <> 0", "delta"), nullable=False),
    Column("stock_after", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_stock_audit_product_id_at", "product_id", "at"),
)

catalogue_audit = Table(
    "catalogue_audit",
    shop,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("actor", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('product', 'coupon')", "kind"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Index("ix_catalogue_audit_kind_subject_at", "kind", "subject", "at"),
)
