"""Contract: articles with their tags, favourites and comments."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from conduit.contracts.texts import (
    MAX_FOLLOWED,
    Body,
    CommentBody,
    Description,
    Limit,
    Offset,
    Slug,
    Tag,
    Tags,
    Title,
    UserId,
    Username,
)
from kits.rpc.patterns import Pattern


class Author(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who wrote it, by the articles' own copy; who follows whom is known to profiles alone."""

    id: str
    username: str
    bio: str | None
    image: str | None


class ArticleSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An article in a list; times to the millisecond."""

    slug: str
    title: str
    description: str
    tag_list: list[str]
    created_at: datetime
    updated_at: datetime
    favorited: bool
    favorites_count: int
    author: Author


class Article(ArticleSummary, frozen=True, kw_only=True, rename="camel"):
    """An article with its text."""

    body: str


class ArticlePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some of the articles that were asked for, the newest first, and how many there are of them in all.

    The number is exact up to 10,000, and 10,000 if there are more. A page has fewer articles than it may only
    at the end of the list, or if more of them would not fit into a reply (900 kB).
    """

    articles: list[ArticleSummary]
    articles_count: int


class Comment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody says of an article."""

    id: int
    created_at: datetime
    updated_at: datetime
    body: str
    author: Author


class CreateArticle(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A new article; a tag that stands twice counts once, and all stand in their alphabet's order."""

    author: UserId
    title: Title
    description: Description
    body: Body
    tag_list: Tags


class ArticleOf(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The article of this slug, for this reader (None: nobody known)."""

    slug: Slug
    reader: UserId | None


class Listing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Articles that have all of these."""

    reader: UserId | None
    tag: Tag | None = None
    author: Username | None = None
    favorited: Username | None = None
    limit: Limit = 20
    offset: Offset = 0


class Feed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Articles of these authors."""

    reader: UserId
    authors: Annotated[list[UserId], Meta(max_length=MAX_FOLLOWED)]
    limit: Limit = 20
    offset: Offset = 0


class UpdateArticle(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What of an article becomes different; what is not there stays. Another title is another slug."""

    slug: Slug
    editor: UserId
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    body: Body | UnsetType = UNSET
    tag_list: Tags | UnsetType = UNSET


class DeleteArticle(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Take an article away, with its comments and favourites."""

    slug: Slug
    editor: UserId


class Favorite(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Begin or end to count an article among one's favourites; the same again changes nothing."""

    slug: Slug
    reader: UserId


class AddComment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Say something of an article."""

    slug: Slug
    author: UserId
    body: CommentBody


class CommentsOf(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is said of an article."""

    slug: Slug


class DeleteComment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Take a comment away."""

    slug: Slug
    id: int
    editor: UserId


CREATE_ARTICLE = Pattern("create_article", CreateArticle, Article)
"""Refuses 404 `user`: nobody has the author's id."""
GET_ALL_ARTICLES = Pattern("get_all_articles", Listing, ArticlePage)
GET_FEED = Pattern("get_feed", Feed, ArticlePage)
GET_ARTICLE = Pattern("get_article", ArticleOf, Article)
"""Refuses 404 `article`, as all below that name a slug."""
UPDATE_ARTICLE = Pattern("update_article", UpdateArticle, Article)
"""Refuses 403 `article`: it is somebody else's."""
DELETE_ARTICLE = Pattern("delete_article", DeleteArticle, type(None))
"""Refuses 403 `article`."""
FAVORITE_ARTICLE = Pattern("favorite_article", Favorite, Article)
UNFAVORITE_ARTICLE = Pattern("unfavorite_article", Favorite, Article)
ADD_COMMENT = Pattern("add_comment", AddComment, Comment)
"""Refuses 404 `user`: nobody has the author's id."""
GET_COMMENTS = Pattern("get_comments", CommentsOf, list[Comment])
"""The newest 500, or as many as fit into a reply (900 kB); the oldest of them first."""
DELETE_COMMENT = Pattern("delete_comment", DeleteComment, type(None))
"""Refuses 404 `comment`; 403 `comment`: it is somebody else's."""
GET_TAGS = Pattern("get_tags", type(None), list[str])
"""The 100 that most of the newest 10,000 articles have, the most used first."""
PATTERNS: tuple[Pattern[Any, Any], ...] = (
    CREATE_ARTICLE, GET_ALL_ARTICLES, GET_FEED, GET_ARTICLE, UPDATE_ARTICLE, DELETE_ARTICLE,
    FAVORITE_ARTICLE, UNFAVORITE_ARTICLE, ADD_COMMENT, GET_COMMENTS, DELETE_COMMENT, GET_TAGS,
)  # fmt: skip
