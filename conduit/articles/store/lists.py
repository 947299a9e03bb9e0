"""Store: reads: one article, pages of them, tags; one statement each, by indexes alone."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    desc,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.articles.store.rows import ARTICLE, SUMMARY, article_of, favorited, has_row, summary_of, that_fit
from conduit.articles.store.tables import article, article_tag, favorite, person
from conduit.contracts.articles import Article, ArticlePage, Feed, Listing
from kits.postgres.driver import DriverStatement, driver_fetch

_COUNTED = literal_column("10000", Integer)
_RECENT = literal_column("10000", Integer)
_MAX_TAGS = literal_column("100", Integer)
_ONE = literal_column("1", Integer)
_limit, _offset = bindparam("limit", type_=Integer), bindparam("offset", type_=Integer)
_tag, _author, _fan = (bindparam(name, type_=Text) for name in ("tag", "author", "fan"))


def _that_have(*, tag: bool, author: bool, fan: bool) -> Select[Any]:
    """Of all that have these, when they were made and their ids.

    What is likely to leave the fewest leads, in the order of its index; the rest is looked up for each.
    """
    if fan:
        found = _led_by(favorite.c.article_id, favorite.c.created_at, favorite.c.reader_id == _fan)
    elif author or not tag:
        found = _led_by(article.c.id, article.c.created_at, *[article.c.author_id == _author] * author)
    else:
        found = _led_by(article_tag.c.article_id, article_tag.c.created_at, article_tag.c.tag == _tag)
    at, article_id = found.selected_columns
    if fan and author:
        found = found.where(
            has_row(article.c.id == article_id, article.c.author_id == _author, article.c.created_at == at)
        )
    if tag and (fan or author):
        found = found.where(
            has_row(
                article_tag.c.article_id == article_id,
                article_tag.c.tag == _tag,
                article_tag.c.created_at == at,
            )
        )
    return found


def _led_by(article_id: Any, created_at: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    return select(created_at, article_id.label("id")).where(*conditions)


def _page(counted: Select[Any], newest: Select[Any]) -> DriverStatement:
    """How many there are of `counted` (10,000 at most), beside each article of the page of `newest`."""
    count = (
        select(func.count().label("articles_count"))
        .select_from(counted.limit(_COUNTED).subquery("counted"))
        .subquery("count")
    )
    page = newest.order_by(desc("created_at"), desc("id")).limit(_limit).offset(_offset).subquery("page")
    rows = (
        select(*SUMMARY)
        .join_from(page, article, article.c.id == page.c.id)
        .join(person, person.c.id == article.c.author_id)
    )
    fitting = that_fit(rows, "created_at", "id")
    return DriverStatement(
        select(count.c.articles_count, fitting, favorited(fitting))
        .select_from(count.outerjoin(fitting, true()))
        .order_by(fitting.c.created_at.desc(), fitting.c.id.desc())
    )


_PAGES = {
    (tag, author, fan): _page(*[_that_have(tag=tag, author=author, fan=fan)] * 2)
    for tag, author, fan in product((False, True), repeat=3)
}
_followed = (
    func.unnest(bindparam("authors", type_=ARRAY(Text))).table_valued("id", name="followed").render_derived()
)
_of_one = select(article.c.created_at, article.c.id).where(article.c.author_id == _followed.c.id)
# The newest of each author by the index: nothing is read of who writes less often.
_newest_of_one = (
    _of_one.order_by(article.c.created_at.desc(), article.c.id.desc())
    .limit(bindparam("reach", type_=Integer))
    .lateral("newest_of_one")
)
_FEED = _page(
    select(_ONE).select_from(_followed.join(article, article.c.author_id == _followed.c.id)),
    select(_newest_of_one.c.created_at, _newest_of_one.c.id).select_from(
        _followed.join(_newest_of_one, true())
    ),
)
_recent = select(article.c.tag_list).order_by(article.c.created_at.desc(), article.c.id.desc()).limit(_RECENT)
_used = select(func.unnest(_recent.subquery("recent").c.tag_list).label("tag")).subquery("used")
_TAGS = DriverStatement(
    select(_used.c.tag)
    .group_by(_used.c.tag)
    .order_by(func.count().desc(), _used.c.tag.collate("C"))
    .limit(_MAX_TAGS)
)


class SqlArticleReader:
    """ports.ArticleReader."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def article(self, slug: str, reader: str | None) -> Article | None:
        """See ArticleReader."""
        rows = await driver_fetch(self._engine, ARTICLE, {"slug": slug, "reader": reader})
        return article_of(rows[0]) if rows else None

    async def page(self, listing: Listing, author_id: str | None, fan_id: str | None) -> ArticlePage:
        """See ArticleReader."""
        asked = {"tag": listing.tag, "author": author_id, "fan": fan_id}
        tag, author, fan = (value is not None for value in asked.values())
        place = {"reader": listing.reader, "limit": listing.limit, "offset": listing.offset}
        return _page_of(await driver_fetch(self._engine, _PAGES[tag, author, fan], asked | place))

    async def feed(self, feed: Feed) -> ArticlePage:
        """See ArticleReader."""
        values = {
            "reader": feed.reader,
            "authors": list(dict.fromkeys(feed.authors)),
            "limit": feed.limit,
            "offset": feed.offset,
            "reach": feed.limit + feed.offset,
        }
        return _page_of(await driver_fetch(self._engine, _FEED, values))

    async def tags(self) -> Sequence[str]:
        """See ArticleReader."""
        return [row["tag"] for row in await driver_fetch(self._engine, _TAGS)]


def _page_of(rows: Sequence[Any]) -> ArticlePage:
    articles = [summary_of(row) for row in rows if row["id"] is not None]
    return ArticlePage(articles=articles, articles_count=rows[0]["articles_count"])
