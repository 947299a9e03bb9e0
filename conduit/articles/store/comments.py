"""Store: comments, in one transaction and as they are read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, delete, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.articles.store.rows import AUTHOR, author_of, that_fit
from conduit.articles.store.tables import NOW, article, comment, person
from conduit.contracts.articles import Comment
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch

_MAX_ID = 2**63 - 1
_MAX_COMMENTS = literal_column("500", Integer)
_id = bindparam("id", type_=BigInteger)
_article_id = bindparam("article", type_=BigInteger)
_HOLD_ARTICLE = DriverStatement(
    select(article.c.id).where(article.c.slug == bindparam("slug")).with_for_update(read=True, key_share=True)
)
_ADD = DriverStatement(
    insert(comment)
    .values(article_id=_article_id, author_id=bindparam("author"), body=bindparam("body"), created_at=NOW)
    .returning(comment.c.id, comment.c.created_at)
)
_HOLD = DriverStatement(
    select(comment.c.author_id)
    .where(comment.c.id == _id, comment.c.article_id == _article_id)
    .with_for_update()
)
_DELETE = DriverStatement(delete(comment).where(comment.c.id == _id))
_newest = (
    select(comment.c.id, comment.c.created_at, comment.c.body, *AUTHOR)
    .join_from(comment, person, person.c.id == comment.c.author_id)
    .where(
        comment.c.article_id
        == select(article.c.id).where(article.c.slug == bindparam("slug")).scalar_subquery()
    )
    .order_by(comment.c.id.desc())
    .limit(_MAX_COMMENTS)
)
_fitting_comments = that_fit(_newest, "id")
_COMMENTS = DriverStatement(
    select(_fitting_comments)
    .select_from(article.outerjoin(_fitting_comments, true()))
    .where(article.c.slug == bindparam("slug"))
    .order_by(_fitting_comments.c.id)
)


class SqlComments:
    """ports.Comments in the transaction of this connection."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def hold_article(self, slug: str) -> int | None:
        """See Comments."""
        rows = await self._connection.fetch(_HOLD_ARTICLE, {"slug": slug})
        return rows[0][0] if rows else None

    async def add(self, article_id: int, author_id: str, body: str) -> tuple[int, datetime]:
        """See Comments."""
        values = {"article": article_id, "author": author_id, "body": body}
        ((comment_id, created_at),) = await self._connection.fetch(_ADD, values)
        return comment_id, created_at

    async def hold_author(self, article_id: int, comment_id: int) -> str | None:
        """See Comments."""
        if not 0 < comment_id <= _MAX_ID:
            return None
        rows = await self._connection.fetch(_HOLD, {"article": article_id, "id": comment_id})
        return rows[0][0] if rows else None

    async def delete(self, comment_id: int) -> None:
        """See Comments."""
        await self._connection.fetch(_DELETE, {"id": comment_id})


class SqlCommentReader:
    """ports.CommentReader."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def comments(self, slug: str) -> Sequence[Comment] | None:
        """See CommentReader."""
        rows = await driver_fetch(self._engine, _COMMENTS, {"slug": slug})
        return [_comment_of(row) for row in rows if row["id"] is not None] if rows else None


def _comment_of(row: Any) -> Comment:
    moment = row["created_at"]
    return Comment(
        id=row["id"], created_at=moment, updated_at=moment, body=row["body"], author=author_of(row)
    )
