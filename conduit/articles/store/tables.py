"""Store: the tables of articles, and what the process must be able to write in them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from kits.postgres.request_ledger import request_ledger_table
from kits.postgres.schema import metadata
from kits.postgres.write_probe import WriteProbe

MIGRATE_COMMAND = "python -m conduit articles migrate"
UNIQUE_SLUG = "uq_article_slug"
article_tables = metadata()
requests = request_ledger_table(article_tables)

NOW = func.date_trunc(literal_column("'milliseconds'"), func.statement_timestamp())
"""The database's clock, to the millisecond; the same for all of a statement."""

person = Table(
    "person",
    article_tables,
    Column("id", Text(collation="C"), primary_key=True),
    Column("username", Text, nullable=False),
    Column("bio", Text),
    Column("image", Text),
    Column("version", Integer, CheckConstraint("version >= 1", "version"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("ix_person_username", "username"),
)
article = Table(
    "article",
    article_tables,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", Text(collation="C"), nullable=False),
    Column("author_id", Text(collation="C"), ForeignKey(person.c.id), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("tag_list", ARRAY(Text), nullable=False),
    Column(
        "favorites_count", Integer, CheckConstraint("favorites_count >= 0", "favorites_count"), nullable=False
    ),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index(UNIQUE_SLUG, "slug", unique=True),
    Index("ix_article_created_at", "created_at", "id"),
    Index("ix_article_author_id", "author_id", "created_at", "id"),
)
_ARTICLE_ID = article.c.id
# Of the article: lists of one tag or one reader go by it without looking at any other article.
article_tag = Table(
    "article_tag",
    article_tables,
    Column("article_id", BigInteger, ForeignKey(_ARTICLE_ID, ondelete="CASCADE"), primary_key=True),
    Column("tag", Text(collation="C"), primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("ix_article_tag_tag", "tag", "created_at", "article_id"),
)
favorite = Table(
    "favorite",
    article_tables,
    Column("article_id", BigInteger, ForeignKey(_ARTICLE_ID, ondelete="CASCADE"), primary_key=True),
    Column("reader_id", Text(collation="C"), primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("ix_favorite_reader_id", "reader_id", "created_at", "article_id"),
)
comment = Table(
    "comment",
    article_tables,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("article_id", BigInteger, ForeignKey(_ARTICLE_ID, ondelete="CASCADE"), nullable=False),
    Column("author_id", Text(collation="C"), ForeignKey(person.c.id), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("ix_comment_article_id", "article_id", "id"),
)


def articles_write_probe() -> WriteProbe:
    """What the process must be able to write, for its readiness."""
    # Nobody can have this id: it begins with a blank.
    probe = insert(person).values(id=" /readyz", username="", version=1).on_conflict_do_nothing()
    rights = {
        person: ("SELECT", "INSERT", "UPDATE"),
        article: ("SELECT", "INSERT", "UPDATE", "DELETE"),
        article_tag: ("SELECT", "INSERT", "DELETE"),
        favorite: ("SELECT", "INSERT", "DELETE"),
        comment: ("SELECT", "INSERT", "DELETE"),
        requests: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    }
    return WriteProbe(rights, probe)
