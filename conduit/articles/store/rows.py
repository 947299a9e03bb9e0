"""Store: how an article and its author are selected and read, and how much of a list fits into a reply."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Text,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    select,
    true,
)

from conduit.articles.store.tables import article, favorite, person
from conduit.contracts.articles import Article, ArticleSummary, Author
from kits.postgres.driver import DriverStatement

MAX_BYTES = 900_000
"""Of a list in a reply, as JSON: a record of Kafka takes a mebibyte."""
READER = bindparam("reader", type_=Text)
AUTHOR = (person.c.id.label("person_id"), person.c.username, person.c.bio, person.c.image)
SUMMARY = (
    article.c.id,
    article.c.slug,
    article.c.title,
    article.c.description,
    article.c.tag_list,
    article.c.created_at,
    article.c.updated_at,
    article.c.favorites_count,
    *AUTHOR,
)


def has_row(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row, looked up for each article.

    Not EXISTS: PostgreSQL may turn that into a join, or read all rows of a reader first, by a plan from the
    time when there were few.
    """
    return func.coalesce(select(true()).where(*conditions).scalar_subquery(), false())


def favorited(found: FromClause) -> ColumnElement[bool]:
    """Whether READER counts each of the found articles among the favourites."""
    # With the time too: then any index that is chosen leads to the one row.
    return has_row(
        favorite.c.article_id == found.c.id,
        favorite.c.reader_id == READER,
        favorite.c.created_at == found.c.created_at,
    ).label("favorited")


ARTICLE = DriverStatement(
    select(*SUMMARY, article.c.body, favorited(article))
    .join_from(article, person, person.c.id == article.c.author_id)
    .where(article.c.slug == bindparam("slug"))
)


def that_fit(rows: Select[Any], *order: str) -> Subquery:
    """As many of these, beginning with the last in this order, as fit into a reply."""
    found = rows.subquery("found")
    size = func.octet_length(cast(func.row_to_json(found.table_valued()), Text))
    newest_first = [found.c[name].desc() for name in order]
    so_far = cast(func.sum(size).over(order_by=newest_first), Integer).label("bytes")
    sized = select(found, so_far).subquery("sized")
    return select(sized).where(sized.c.bytes <= literal_column(str(MAX_BYTES))).subquery("fitting")


def author_of(row: Any) -> Author:
    """The author in a row of AUTHOR."""
    return Author(id=row["person_id"], username=row["username"], bio=row["bio"], image=row["image"])


def summary_of(row: Any) -> ArticleSummary:
    """The article in a row of SUMMARY."""
    return ArticleSummary(**_summary(row))


def article_of(row: Any) -> Article:
    """The article in a row of ARTICLE."""
    return Article(**_summary(row), body=row["body"])


def _summary(row: Any) -> dict[str, Any]:
    return {
        "slug": row["slug"],
        "title": row["title"],
        "description": row["description"],
        "tag_list": row["tag_list"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "favorited": row["favorited"],
        "favorites_count": row["favorites_count"],
        "author": author_of(row),
    }
