"""GraphQL: what can be asked for."""

from typing import Any

import strawberry
from strawberry import Info

from conduit.contracts.articles import Article, ArticleSummary, Author
from conduit.gateway.graphql.context import Asker
from conduit.gateway.services.auth_service import Account
from kits.wire_time import wire_time

Asked = Info[Asker, None]


@strawberry.type(name="User", description="Oneself.")
class UserType:
    """Its repr shows no token."""

    username: str
    email: str
    token: str
    bio: str | None
    image: str | None

    def __repr__(self) -> str:
        return f"UserType({self.username})"

    @classmethod
    def of(cls, account: Account) -> "UserType":
        """Of this account."""
        user = account.user
        return cls(
            username=user.username, email=user.email, token=account.token, bio=user.bio, image=user.image
        )


@strawberry.type(name="Author", description="Who wrote it.")
class AuthorType:
    """Whether the asker follows is found out when it is selected."""

    id: strawberry.Private[str]
    username: str
    bio: str | None
    image: str | None

    @strawberry.field(description="Whether you follow; null, with an error, while nobody can tell.")
    async def following(self, info: Asked) -> bool | None:
        """Raises ServiceAwayError."""
        return await info.context.following.load(self.id)

    @classmethod
    def of(cls, author: Author) -> "AuthorType":
        """Of this author."""
        return cls(id=author.id, username=author.username, bio=author.bio, image=author.image)


@strawberry.type(name="ArticleSummary", description="An article in a list: without its text.")
class ArticleSummaryType:
    """Times are texts."""

    slug: str
    title: str
    description: str
    tag_list: list[str]
    created_at: str
    updated_at: str
    favorited: bool
    favorites_count: int
    author: AuthorType

    @classmethod
    def of(cls, article: ArticleSummary) -> "ArticleSummaryType":
        """Of this article."""
        return cls(**_members(article))


@strawberry.type(name="Article", description="An article.")
class ArticleType(ArticleSummaryType):
    """With its text."""

    body: str

    @classmethod
    def of_whole(cls, article: Article) -> "ArticleType":
        """Of this article."""
        return cls(body=article.body, **_members(article))


def _members(article: ArticleSummary) -> dict[str, Any]:
    return {
        "slug": article.slug,
        "title": article.title,
        "description": article.description,
        "tag_list": article.tag_list,
        "created_at": wire_time(article.created_at),
        "updated_at": wire_time(article.updated_at),
        "favorited": article.favorited,
        "favorites_count": article.favorites_count,
        "author": AuthorType.of(article.author),
    }
