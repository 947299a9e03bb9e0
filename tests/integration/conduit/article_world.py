"""Articles for the tests: the service on a Kafka in memory, somebody who asks, an auth that may be there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from conduit.articles.container import Container
from conduit.articles.settings import ArticlesSettings
from conduit.contracts.articles import (
    ADD_COMMENT,
    CREATE_ARTICLE,
    FAVORITE_ARTICLE,
    GET_ALL_ARTICLES,
    GET_ARTICLE,
    AddComment,
    Article,
    ArticleOf,
    ArticlePage,
    Comment,
    CreateArticle,
    Favorite,
    Listing,
)
from conduit.contracts.users import UserChanged
from kits.rpc.client import RpcClient
from kits.rpc.patterns import Pattern
from tests.conduit_services import (
    NO_KAFKA,
    FakeAuth,
    Named,
    a_user,
    asker_on,
    conduit_kafka,
    database_of,
    service_on,
    tell,
)
from tests.fake_kafka import FakeKafka
from tests.rpc_services import fake_server, started

LONG = 30.0
ANN, BOB = a_user(1, "ann", bio="writes"), a_user(2, "bob")


@dataclass
class World:
    """What a test does with articles."""

    kafka: FakeKafka
    asker: RpcClient
    container: Any

    async def ask(self, pattern: Pattern[Any, Any], request: Any) -> Any:
        return await self.asker.send(pattern, request, timeout=LONG)

    async def tell(self, *changes: UserChanged) -> None:
        await tell(self.kafka, self.asker, *changes)

    async def write(self, title: str = "A title", tags: Sequence[str] = (), author: str = "u-1") -> Article:
        new = CreateArticle(author=author, title=title, description="d", body="b", tag_list=list(tags))
        article: Article = await self.ask(CREATE_ARTICLE, new)
        return article

    async def article(self, slug: str, reader: str | None = None) -> Article:
        article: Article = await self.ask(GET_ARTICLE, ArticleOf(slug=slug, reader=reader))
        return article

    async def favor(self, slug: str, reader: str) -> Article:
        article: Article = await self.ask(FAVORITE_ARTICLE, Favorite(slug=slug, reader=reader))
        return article

    async def page(self, **asked: Any) -> ArticlePage:
        page: ArticlePage = await self.ask(GET_ALL_ARTICLES, Listing(**{"reader": None} | asked))
        return page

    async def comment(self, slug: str, body: str = "Yes.", author: str = "u-1") -> Comment:
        comment: Comment = await self.ask(ADD_COMMENT, AddComment(slug=slug, author=author, body=body))
        return comment

    async def run(self, statements: str) -> None:
        """On the connection that the next read gets."""
        async with self.container.engine().connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(statements)

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with self.container.engine().connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]


def slugs(page: ArticlePage) -> list[str]:
    return [each.slug for each in page.articles]


@asynccontextmanager
async def world(database_url: str, auth: FakeAuth | None = None) -> AsyncIterator[World]:
    """Ann and Bob are known."""
    kafka = conduit_kafka()
    container = Container(settings=ArticlesSettings(database=database_of(database_url), kafka=NO_KAFKA))
    servers = [fake_server(kafka, Named("conduit-auth"), auth)] if auth else []
    async with (
        service_on(kafka, container, "conduit-articles"),
        asker_on(kafka) as asker,
        started(*servers),
    ):
        here = World(kafka, asker, container)
        for person in ANN, BOB:
            await container.persons().keep(person)
        yield here
