"""The shapes of RealWorld's answers about articles and comments."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from conduit.contracts.articles import Article, ArticleSummary, Author, Comment
from conduit.gateway.services.profile_service import Following
from kits.wire_time import wire_time


class AuthorView(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote it; `following` is null while nobody can tell."""

    username: str
    bio: str | None
    image: str | None
    following: bool | None


class ArticleSummaryView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An article in a list: without its text."""

    slug: str
    title: str
    description: str
    tag_list: list[str]
    created_at: str
    updated_at: str
    favorited: bool
    favorites_count: int
    author: AuthorView


class ArticleView(ArticleSummaryView, frozen=True, kw_only=True, rename="camel"):
    """An article."""

    body: str


class ArticleAnswer(msgspec.Struct, frozen=True):
    """An article; `errors` say what could not be found out."""

    article: ArticleView
    errors: dict[str, list[str]] | UnsetType = UNSET

    @classmethod
    def of(cls, article: Article, following: Following) -> "ArticleAnswer":
        """Of this article."""
        view = ArticleView(body=article.body, **_summary(article, following))
        return cls(view, _errors(following))


class ArticlesAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Some of the articles, and how many there are in all."""

    articles: list[ArticleSummaryView]
    articles_count: int
    errors: dict[str, list[str]] | UnsetType = UNSET

    @classmethod
    def of(cls, articles: list[ArticleSummary], count: int, following: Following) -> "ArticlesAnswer":
        """Of this page."""
        views = [ArticleSummaryView(**_summary(each, following)) for each in articles]
        return cls(views, count, _errors(following))


class CommentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody says of an article."""

    id: int
    created_at: str
    updated_at: str
    body: str
    author: AuthorView


class CommentAnswer(msgspec.Struct, frozen=True):
    """A comment."""

    comment: CommentView
    errors: dict[str, list[str]] | UnsetType = UNSET

    @classmethod
    def of(cls, comment: Comment, following: Following) -> "CommentAnswer":
        """Of this comment."""
        return cls(_comment(comment, following), _errors(following))


class CommentsAnswer(msgspec.Struct, frozen=True):
    """All that is said of an article."""

    comments: list[CommentView]
    errors: dict[str, list[str]] | UnsetType = UNSET

    @classmethod
    def of(cls, comments: list[Comment], following: Following) -> "CommentsAnswer":
        """Of these comments."""
        return cls([_comment(each, following) for each in comments], _errors(following))


def _errors(following: Following) -> dict[str, list[str]] | UnsetType:
    return {field: list(words) for field, words in following.errors.items()} or UNSET


def _author(author: Author, following: Following) -> AuthorView:
    return AuthorView(
        username=author.username, bio=author.bio, image=author.image, following=following.of(author.id)
    )


def _comment(comment: Comment, following: Following) -> CommentView:
    return CommentView(
        id=comment.id,
        created_at=wire_time(comment.created_at),
        updated_at=wire_time(comment.updated_at),
        body=comment.body,
        author=_author(comment.author, following),
    )


def _summary(article: ArticleSummary, following: Following) -> dict[str, Any]:
    return {
        "slug": article.slug,
        "title": article.title,
        "description": article.description,
        "tag_list": article.tag_list,
        "created_at": wire_time(article.created_at),
        "updated_at": wire_time(article.updated_at),
        "favorited": article.favorited,
        "favorites_count": article.favorites_count,
        "author": _author(article.author, following),
    }
