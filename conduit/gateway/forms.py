"""Forms: what people may send, by the rules of the contract; one set for both doors."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from conduit.contracts.texts import (
    PLAIN,
    Address,
    Bio,
    Body,
    CommentBody,
    Description,
    Email,
    Limit,
    Offset,
    Tag,
    Tags,
    Title,
    Username,
)

MIN_PASSWORD = 8
MAX_PASSWORD = 128
NewPassword = Annotated[str, Meta(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD, pattern=PLAIN)]
"""The rule of NIST 800-63B; auth checks it again."""
GivenPassword = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD, pattern=PLAIN)]


class _Confidential(msgspec.Struct, frozen=True, kw_only=True):
    """Its repr shows nothing: it may hold a password."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class Registration(_Confidential, frozen=True, kw_only=True, rename="camel"):
    """Who wants to be a user."""

    username: Username
    email: Email
    password: NewPassword


class Login(_Confidential, frozen=True, kw_only=True, rename="camel"):
    """Who says to be a user."""

    email: Email
    password: GivenPassword


class AccountChanges(_Confidential, frozen=True, kw_only=True, rename="camel"):
    """What of one's account becomes different; an empty bio or image is none."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET
    bio: Bio | UnsetType | None = UNSET
    image: Address | UnsetType | None = UNSET


class NewArticle(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody wants to publish."""

    title: Title
    description: Description
    body: Body
    tag_list: Tags | UnsetType = UNSET


class ArticleFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which articles are wanted: those that have all of these."""

    tag: Tag | UnsetType = UNSET
    author: Username | UnsetType = UNSET
    favorited: Username | UnsetType = UNSET
    limit: Limit = 20
    offset: Offset = 0


class ArticleChanges(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What of an article becomes different; what is not there stays."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    body: Body | UnsetType = UNSET
    tag_list: Tags | UnsetType = UNSET


class NewComment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What somebody wants to say."""

    body: CommentBody
