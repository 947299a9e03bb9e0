"""Store: articles in one transaction: written, changed, favoured and taken away."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET
from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from conduit.articles.ports import HeldArticle
from conduit.articles.store.rows import ARTICLE, READER, article_of
from conduit.articles.store.tables import NOW, UNIQUE_SLUG, article, article_tag, favorite
from conduit.contracts.articles import Article, CreateArticle, UpdateArticle
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.errors import constraint

_TEXTS = ("title", "description", "body")
_ONE = literal_column("1", Integer)
_id = bindparam("id", type_=BigInteger)
_created_at = bindparam("created_at", type_=DateTime(timezone=True))
_tags = bindparam("tags", type_=ARRAY(Text))
_ADD = DriverStatement(
    insert(article)
    .values(
        slug=bindparam("slug"),
        author_id=bindparam("author"),
        tag_list=_tags,
        favorites_count=literal_column("0"),
        created_at=NOW,
        updated_at=NOW,
        **{name: bindparam(name) for name in _TEXTS},
    )
    .on_conflict_do_nothing(index_elements=[article.c.slug])
    .returning(article.c.id, article.c.created_at)
)
_ADD_TAGS = DriverStatement(
    insert(article_tag).from_select(
        ["article_id", "created_at", "tag"], select(_id, _created_at, func.unnest(_tags))
    )
)
_DROP_TAGS = DriverStatement(delete(article_tag).where(article_tag.c.article_id == _id))
_HOLD = DriverStatement(
    select(article.c.id, article.c.author_id, article.c.title, article.c.created_at)
    .where(article.c.slug == bindparam("slug"))
    .with_for_update(key_share=True)
)
_next_moment = article.c.updated_at + func.make_interval(0, 0, 0, 0, 0, 0, literal_column("0.001"))
_CHANGE = DriverStatement(
    update(article)
    .where(article.c.id == _id)
    .values(
        slug=func.coalesce(bindparam("slug", type_=Text), article.c.slug),
        tag_list=func.coalesce(_tags, article.c.tag_list),
        updated_at=func.greatest(NOW, _next_moment),
        **{name: func.coalesce(bindparam(name, type_=Text), article.c[name]) for name in _TEXTS},
    )
)
_DELETE = DriverStatement(delete(article).where(article.c.id == _id))
_added = (
    insert(favorite)
    .values(article_id=_id, reader_id=READER, created_at=_created_at)
    .on_conflict_do_nothing()
    .returning(favorite.c.article_id)
    .cte("added")
)
_FAVOR = DriverStatement(
    update(article)
    .where(article.c.id == _added.c.article_id)
    .values(favorites_count=article.c.favorites_count + _ONE)
)
_removed = (
    delete(favorite)
    .where(favorite.c.article_id == _id, favorite.c.reader_id == READER)
    .returning(favorite.c.article_id)
    .cte("removed")
)
_UNFAVOR = DriverStatement(
    update(article)
    .where(article.c.id == _removed.c.article_id)
    .values(favorites_count=article.c.favorites_count - _ONE)
)


class SqlArticles:
    """ports.Articles in the transaction of this connection."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, command: CreateArticle, slug: str, tags: Sequence[str]) -> datetime | None:
        """See Articles."""
        values = {"slug": slug, "author": command.author, "tags": list(tags)}
        texts = {name: getattr(command, name) for name in _TEXTS}
        rows = await self._connection.fetch(_ADD, values | texts)
        if not rows:
            return None
        created_at: datetime = rows[0]["created_at"]
        await self._add_tags(rows[0]["id"], created_at, tags)
        return created_at

    async def hold(self, slug: str) -> HeldArticle | None:
        """See Articles."""
        rows = await self._connection.fetch(_HOLD, {"slug": slug})
        return HeldArticle(*rows[0]) if rows else None

    async def change(self, article: HeldArticle, command: UpdateArticle, slug: str | None) -> bool:
        """See Articles."""
        given = {name: getattr(command, name) for name in (*_TEXTS, "tag_list")}
        new: dict[str, Any] = {name: None if value is UNSET else value for name, value in given.items()}
        tags = new.pop("tag_list")
        try:
            async with self._connection.savepoint():
                await self._connection.fetch(_CHANGE, {"id": article.id, "slug": slug, "tags": tags} | new)
        except Exception as error:
            if constraint(error) != UNIQUE_SLUG:
                raise
            return False
        if tags is not None:
            await self._connection.fetch(_DROP_TAGS, {"id": article.id})
            await self._add_tags(article.id, article.created_at, tags)
        return True

    async def delete(self, article: HeldArticle) -> None:
        """See Articles."""
        await self._connection.fetch(_DELETE, {"id": article.id})

    async def favor(self, article: HeldArticle, reader: str) -> None:
        """See Articles."""
        values = {"id": article.id, "reader": reader, "created_at": article.created_at}
        await self._connection.fetch(_FAVOR, values)

    async def unfavor(self, article: HeldArticle, reader: str) -> None:
        """See Articles."""
        await self._connection.fetch(_UNFAVOR, {"id": article.id, "reader": reader})

    async def article(self, slug: str, reader: str | None) -> Article | None:
        """See Articles."""
        rows = await self._connection.fetch(ARTICLE, {"slug": slug, "reader": reader})
        return article_of(rows[0]) if rows else None

    async def _add_tags(self, article_id: int, created_at: datetime, tags: Sequence[str]) -> None:
        if tags:
            # Together with what ends the transaction.
            values = {"id": article_id, "created_at": created_at, "tags": list(tags)}
            await self._connection.write(_ADD_TAGS, values)
