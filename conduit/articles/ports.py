"""What the use cases of articles need of others."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from conduit.contracts.articles import (
    Article,
    ArticlePage,
    Comment,
    CreateArticle,
    Feed,
    Listing,
    UpdateArticle,
)
from conduit.contracts.users import UserChanged


class HeldArticle(NamedTuple):
    """An article that nobody else changes until the transaction ends."""

    id: int
    author_id: str
    title: str
    created_at: datetime


class PersonReader(Protocol):
    """Reads the copy of the users."""

    async def person(self, user_id: str) -> UserChanged | None:
        """Whoever has this id, by the copy."""
        ...

    async def named(self, usernames: Collection[str]) -> Mapping[str, UserChanged]:
        """By name whoever has one of these; of several with one name the one that changed last."""
        ...


class PersonStore(Protocol):
    """Changes the copy."""

    async def keep(self, person: UserChanged) -> None:
        """Store this version, unless a higher one is there."""
        ...


class UserDirectory(Protocol):
    """Auth, for whom the copy does not know (yet). RpcError: it cannot be found out now."""

    async def user(self, user_id: str) -> UserChanged | None:
        """Whoever has this id."""
        ...

    async def named(self, username: str) -> UserChanged | None:
        """Whoever has this name now."""
        ...


class ArticleReader(Protocol):
    """Reads what is committed."""

    async def article(self, slug: str, reader: str | None) -> Article | None:
        """The article of this slug."""
        ...

    async def page(self, listing: Listing, author_id: str | None, fan_id: str | None) -> ArticlePage:
        """Those with the listing's tag, of this author, among this one's favourites; None: of anybody."""
        ...

    async def feed(self, feed: Feed) -> ArticlePage:
        """Those of the feed's authors."""
        ...

    async def tags(self) -> Sequence[str]:
        """See GET_TAGS."""
        ...


class Articles(Protocol):
    """Articles in one transaction."""

    async def add(self, command: CreateArticle, slug: str, tags: Sequence[str]) -> datetime | None:
        """Store a new one; when it was made, or None: the slug is taken."""
        ...

    async def hold(self, slug: str) -> HeldArticle | None:
        """Keep others from changing it."""
        ...

    async def change(self, article: HeldArticle, command: UpdateArticle, slug: str | None) -> bool:
        """Store what the command has, tags as they are given, and this slug if there is one.

        False, and nothing is done: the slug is taken.
        """
        ...

    async def delete(self, article: HeldArticle) -> None:
        """Take it away with all that belongs to it."""
        ...

    async def favor(self, article: HeldArticle, reader: str) -> None:
        """Count it among the reader's favourites; again is the same."""
        ...

    async def unfavor(self, article: HeldArticle, reader: str) -> None:
        """Count it there no more; again is the same."""
        ...

    async def article(self, slug: str, reader: str | None) -> Article | None:
        """The article of this slug as it stands now."""
        ...


class CommentReader(Protocol):
    """Reads what is committed."""

    async def comments(self, slug: str) -> Sequence[Comment] | None:
        """See GET_COMMENTS; None: there is no such article."""
        ...


class Comments(Protocol):
    """Comments in one transaction."""

    async def hold_article(self, slug: str) -> int | None:
        """Keep others from taking the article away; its id."""
        ...

    async def add(self, article_id: int, author_id: str, body: str) -> tuple[int, datetime]:
        """Store a new one; its id, and when it was made."""
        ...

    async def hold_author(self, article_id: int, comment_id: int) -> str | None:
        """Who wrote this one of the article; keeps others from taking it away."""
        ...

    async def delete(self, comment_id: int) -> None:
        """Take it away."""
        ...
