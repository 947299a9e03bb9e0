"""Table: the tables of this service."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)

from kits.postgres.schema import metadata

sales_tables = metadata()

sales_per_minute = Table(
    "sales_per_minute",
    sales_tables,
    Column("build", Text, primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    Column("currency", Text(collation="C"), primary_key=True),
    Column("orders", BigInteger, nullable=False),
    Column("pieces", Numeric, nullable=False),
    Column("revenue", Numeric, nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)

sales_position = Table(
    "sales_position",
    sales_tables,
    Column("build", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic_id", Uuid, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
)

sales_build = Table(
    "sales_build",
    sales_tables,
    Column("name", Text, primary_key=True),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('building', 'in_force', 'former', 'removed')", "state"),
        nullable=False,
    ),
    Column("since", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("uq_sales_build_in_force", "state", unique=True, postgresql_where=text("state = 'in_force'")),
)
