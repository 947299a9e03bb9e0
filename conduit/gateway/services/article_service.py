"""Use cases: articles, their favourites and comments, tags, and the feed."""

from msgspec import UNSET
from msgspec.structs import asdict

from conduit.contracts.articles import (
    ADD_COMMENT,
    CREATE_ARTICLE,
    DELETE_ARTICLE,
    DELETE_COMMENT,
    FAVORITE_ARTICLE,
    GET_ALL_ARTICLES,
    GET_ARTICLE,
    GET_COMMENTS,
    GET_FEED,
    GET_TAGS,
    UNFAVORITE_ARTICLE,
    UPDATE_ARTICLE,
    AddComment,
    Article,
    ArticleOf,
    ArticlePage,
    Comment,
    CommentsOf,
    CreateArticle,
    DeleteArticle,
    DeleteComment,
    Favorite,
    Feed,
    Listing,
    UpdateArticle,
)
from conduit.contracts.refusals import not_found
from conduit.contracts.texts import Slug
from conduit.gateway.backend import Backend
from conduit.gateway.checking import fits
from conduit.gateway.errors import RefusedError, invalid_token, refused
from conduit.gateway.forms import ArticleChanges, NewArticle, NewComment
from conduit.gateway.services.profile_service import ProfileService
from conduit.gateway.shared_questions import SharedQuestions

_NO_AUTHOR = "user_not_found"


class ArticleService:
    """Raises, from every method: RefusedError as articles says it (404 `article` …); ServiceAwayError."""

    def __init__(self, articles: Backend, shared: SharedQuestions, profiles: ProfileService) -> None:
        """Args: shared: the same service, for what everybody is told alike."""
        self._articles = articles
        self._shared = shared
        self._profiles = profiles

    async def page(self, listing: Listing) -> ArticlePage:
        """The articles that were asked for."""
        asked = self._shared if listing.reader is None else self._articles
        return await asked.ask(GET_ALL_ARTICLES, listing)

    async def feed(self, reader: str, *, limit: int, offset: int) -> ArticlePage:
        """Articles of those whom the reader follows; only profiles knows who they are."""
        authors = await self._profiles.followed(reader)
        if not authors:
            return ArticlePage(articles=[], articles_count=0)
        wish = Feed(reader=reader, authors=authors, limit=limit, offset=offset)
        return await self._articles.ask(GET_FEED, wish)

    async def article(self, slug: str, reader: str | None) -> Article:
        """The article of this slug."""
        _require_slug(slug)
        asked = self._shared if reader is None else self._articles
        return await asked.ask(GET_ARTICLE, ArticleOf(slug=slug, reader=reader))

    async def create(self, author: str, form: NewArticle) -> Article:
        """A new article."""
        tags = [] if form.tag_list is UNSET else form.tag_list
        wish = CreateArticle(
            author=author, title=form.title, description=form.description, body=form.body, tag_list=tags
        )
        try:
            return await self._articles.ask(CREATE_ARTICLE, wish, key=author)
        except RefusedError as error:
            raise _of_author(error) from error

    async def update(self, slug: str, editor: str, form: ArticleChanges) -> Article:
        """The article as it is after these changes; 403 if it is somebody else's."""
        _require_slug(slug)
        wish = UpdateArticle(slug=slug, editor=editor, **asdict(form))
        return await self._articles.ask(UPDATE_ARTICLE, wish, key=slug)

    async def delete(self, slug: str, editor: str) -> None:
        """The article is gone; 403 if it is somebody else's."""
        _require_slug(slug)
        await self._articles.ask(DELETE_ARTICLE, DeleteArticle(slug=slug, editor=editor), key=slug)

    async def favorite(self, slug: str, reader: str) -> Article:
        """The article, among the reader's favourites."""
        _require_slug(slug)
        return await self._articles.ask(FAVORITE_ARTICLE, Favorite(slug=slug, reader=reader), key=slug)

    async def unfavorite(self, slug: str, reader: str) -> Article:
        """The article, no more among them."""
        _require_slug(slug)
        return await self._articles.ask(UNFAVORITE_ARTICLE, Favorite(slug=slug, reader=reader), key=slug)

    async def comments(self, slug: str) -> list[Comment]:
        """What is said of the article."""
        _require_slug(slug)
        return await self._shared.ask(GET_COMMENTS, CommentsOf(slug=slug))

    async def add_comment(self, slug: str, author: str, form: NewComment) -> Comment:
        """What was said."""
        _require_slug(slug)
        wish = AddComment(slug=slug, author=author, body=form.body)
        try:
            return await self._articles.ask(ADD_COMMENT, wish, key=slug)
        except RefusedError as error:
            raise _of_author(error) from error

    async def delete_comment(self, slug: str, comment_id: int, editor: str) -> None:
        """The comment is gone; 403 if it is somebody else's."""
        _require_slug(slug)
        wish = DeleteComment(slug=slug, id=comment_id, editor=editor)
        await self._articles.ask(DELETE_COMMENT, wish, key=slug)

    async def tags(self) -> list[str]:
        """The most used first."""
        return await self._shared.ask(GET_TAGS, None)


def _require_slug(slug: str) -> None:
    if not fits(slug, Slug):
        raise refused("articles", not_found("article"))


def _of_author(error: RefusedError) -> RefusedError:
    """The user of a good token is gone."""
    return invalid_token() if error.code == _NO_AUTHOR else error
