"""GraphQL: the schema, code first; every field at its root may be null, so that answers are partial."""

from collections.abc import Callable
from functools import partial

import msgspec
import strawberry
from graphql import GraphQLError
from strawberry.extensions import DisableIntrospection, ParserCache, SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from conduit.contracts.articles import Listing
from conduit.gateway.checking import checked
from conduit.gateway.forms import ArticleFilters, Login, NewArticle, Registration
from conduit.gateway.graphql.inputs import CreateArticleInput, CreateUserInput, LoginUserInput
from conduit.gateway.graphql.limits import REMEMBERED, DocumentLimits
from conduit.gateway.graphql.types import ArticleSummaryType, ArticleType, Asked, UserType

_LIMIT = 20


@strawberry.type
class Query:
    """What can be looked at."""

    @strawberry.field(description="Oneself.")
    async def user(self, info: Asked) -> UserType | None:
        """Raises RefusedError."""
        asker = info.context
        return UserType.of(await asker.services.auth.account(asker.user_id(), asker.token))

    @strawberry.field(description="Articles that fit all filters, the newest first.")
    async def articles(
        self,
        info: Asked,
        *,
        tag: str | None = None,
        author: str | None = None,
        favorited: str | None = None,
        limit: int = _LIMIT,
        offset: int = 0,
    ) -> list[ArticleSummaryType] | None:
        """Raises RefusedError."""
        asked = {"tag": tag, "author": author, "favorited": favorited, "limit": limit, "offset": offset}
        given = {name: value for name, value in asked.items() if value is not None}
        filters = msgspec.structs.asdict(checked(ArticleFilters, given))
        known = {name: value for name, value in filters.items() if value is not msgspec.UNSET}
        page = await info.context.services.articles.page(Listing(reader=info.context.reader, **known))
        return [ArticleSummaryType.of(each) for each in page.articles]


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation(description="Publish an article.")
    async def create_article(self, info: Asked, article: CreateArticleInput) -> ArticleType | None:
        """Raises RefusedError."""
        author = info.context.user_id()
        form = checked(NewArticle, article.sent())
        return ArticleType.of_whole(await info.context.services.articles.create(author, form))

    @strawberry.mutation(description="Log in.")
    async def login_user(self, info: Asked, user: LoginUserInput) -> UserType | None:
        """Raises RefusedError."""
        return UserType.of(await info.context.services.auth.log_in(checked(Login, user.sent())))

    @strawberry.mutation(description="Register.")
    async def create_user(self, info: Asked, user: CreateUserInput) -> UserType | None:
        """Raises RefusedError."""
        return UserType.of(await info.context.services.auth.register(checked(Registration, user.sent())))


class GatewaySchema(strawberry.Schema):
    """Logs nothing by itself: the door knows which errors are news."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """See strawberry.Schema."""


def graphql_schema(*, introspection: bool) -> GatewaySchema:
    """The schema; without `introspection` it tells nothing of itself, in errors either."""
    extensions: list[Callable[[], SchemaExtension]] = [DocumentLimits, partial(ParserCache, REMEMBERED)]
    if not introspection:
        extensions.append(DisableIntrospection)
    return GatewaySchema(
        query=Query,
        mutation=Mutation,
        extensions=extensions,
        config=StrawberryConfig(disable_field_suggestions=not introspection),
    )
