"""Favourites: which articles a reader likes."""

from litestar import Router, delete, post
from litestar.middleware import DefineMiddleware

from conduit.gateway.api.article_schemas import ArticleAnswer
from conduit.gateway.api.examples import ARTICLE
from conduit.gateway.api.rules import GivenServices, SlugInPath, UserRequest, api_door, article_answer
from kits.web.documents.openapi import SECURED
from kits.web.doors.answers import BytesAnswer


def favorite_routes(authentication: DefineMiddleware) -> Router:
    """`/articles/{slug}/favorite`, for users only."""
    return Router(
        "/articles/{slug:str}/favorite",
        route_handlers=[favorite, unfavorite],
        middleware=[authentication],
        security=SECURED,
        tags=["articles"],
    )


@post(
    status_code=200,
    summary="Favour an article",
    response_description="The article.",
    operation_class=api_door(401, 404, shows=ARTICLE),
)
async def favorite(
    request: UserRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[ArticleAnswer]:
    """The same again changes nothing."""
    reader = request.auth.subject
    return await article_answer(services, reader, await services.articles.favorite(slug, reader))


@delete(
    status_code=200,
    summary="Favour an article no more",
    response_description="The article.",
    operation_class=api_door(401, 404, shows=ARTICLE),
)
async def unfavorite(
    request: UserRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[ArticleAnswer]:
    """The same again changes nothing."""
    reader = request.auth.subject
    return await article_answer(services, reader, await services.articles.unfavorite(slug, reader))
