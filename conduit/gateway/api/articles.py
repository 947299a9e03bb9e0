"""Articles: lists, the feed, one article and its changes."""

from litestar import Router, delete, get, post, put
from litestar.middleware import DefineMiddleware

from conduit.contracts.articles import Listing
from conduit.gateway.api.article_schemas import ArticleAnswer, ArticlesAnswer
from conduit.gateway.api.examples import ARTICLE, ARTICLE_CHANGES, ARTICLES, NEW_ARTICLE
from conduit.gateway.api.rules import (
    AnyRequest,
    ByAuthor,
    FavoritedBy,
    GivenServices,
    OfTag,
    PageLimit,
    PageOffset,
    SlugInPath,
    UserRequest,
    Wrapped,
    api_door,
    article_answer,
    reader_of,
)
from conduit.gateway.forms import ArticleChanges, NewArticle
from conduit.gateway.services.profile_service import NOBODY, Following
from kits.web.documents.openapi import SECURED
from kits.web.doors.answers import BytesAnswer, json_answer

_ARTICLE = Wrapped("article")
_LIMIT = 20


def article_routes(authentication: DefineMiddleware, identification: DefineMiddleware) -> Router:
    """`/articles`; only the feed and changes need a token."""
    looks = Router("", route_handlers=[list_articles, get_article], middleware=[identification])
    own = [feed, create_article, update_article, delete_article]
    secured = Router("", route_handlers=own, middleware=[authentication], security=SECURED)
    return Router("/articles", route_handlers=[looks, secured], tags=["articles"])


@get(
    summary="List articles",
    response_description="One page, the newest first.",
    operation_class=api_door(422, shows=ARTICLES),
)
async def list_articles(
    *,
    request: AnyRequest,
    services: GivenServices,
    tag: OfTag = None,
    author: ByAuthor = None,
    favorited: FavoritedBy = None,
    limit: PageLimit = _LIMIT,
    offset: PageOffset = 0,
) -> BytesAnswer[ArticlesAnswer]:
    """Those that fit all filters. While profiles is away, `following` is null and `errors` says so."""
    reader = reader_of(request)
    page = await services.articles.page(
        Listing(reader=reader, tag=tag, author=author, favorited=favorited, limit=limit, offset=offset)
    )
    following = await services.profiles.following(reader, (each.author.id for each in page.articles))
    return json_answer(ArticlesAnswer.of(page.articles, page.articles_count, following))


@get(
    "/feed",
    summary="Read one's feed",
    response_description="One page, the newest first.",
    operation_class=api_door(401, 422, shows=ARTICLES),
)
async def feed(
    request: UserRequest, services: GivenServices, limit: PageLimit = _LIMIT, offset: PageOffset = 0
) -> BytesAnswer[ArticlesAnswer]:
    """What those wrote whom one follows."""
    page = await services.articles.feed(request.auth.subject, limit=limit, offset=offset)
    everybody = Following(frozenset(each.author.id for each in page.articles))
    return json_answer(ArticlesAnswer.of(page.articles, page.articles_count, everybody))


@get(
    "/{slug:str}",
    summary="Read an article",
    response_description="The article.",
    operation_class=api_door(404, shows=ARTICLE),
)
async def get_article(
    request: AnyRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[ArticleAnswer]:
    """The whole of it."""
    reader = reader_of(request)
    return await article_answer(services, reader, await services.articles.article(slug, reader))


@post(
    summary="Publish an article",
    response_description="The article.",
    operation_class=api_door(400, 401, 413, 415, 422, shows=ARTICLE, reads=NEW_ARTICLE),
)
async def create_article(request: UserRequest, services: GivenServices) -> BytesAnswer[ArticleAnswer]:
    """Two articles may have one title; their slugs differ."""
    form = await _ARTICLE.read(request, NewArticle)
    article = await services.articles.create(request.auth.subject, form)
    return json_answer(ArticleAnswer.of(article, NOBODY), status=201)


@put(
    "/{slug:str}",
    summary="Change an article",
    response_description="The article as it is now.",
    operation_class=api_door(400, 401, 403, 404, 413, 415, 422, shows=ARTICLE, reads=ARTICLE_CHANGES),
)
async def update_article(
    request: UserRequest, slug: SlugInPath, services: GivenServices
) -> BytesAnswer[ArticleAnswer]:
    """What is not there stays. Another title makes another slug."""
    form = await _ARTICLE.read(request, ArticleChanges)
    article = await services.articles.update(slug, request.auth.subject, form)
    return json_answer(ArticleAnswer.of(article, NOBODY))


@delete(
    "/{slug:str}",
    status_code=204,
    summary="Delete an article",
    response_description="It is gone.",
    operation_class=api_door(401, 403, 404, shows=None),
)
async def delete_article(request: UserRequest, slug: SlugInPath, services: GivenServices) -> None:
    """With its comments and favourites."""
    await services.articles.delete(slug, request.auth.subject)
