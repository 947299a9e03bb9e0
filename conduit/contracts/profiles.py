"""Contract: profiles: who a user is to others, and who follows whom."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from conduit.contracts.texts import MAX_FOLLOWED, MAX_PAGE, UserId, Username
from kits.rpc.patterns import Pattern


class Profile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user as others see it; `following`: whether the reader follows."""

    username: str
    bio: str | None
    image: str | None
    following: bool


class ProfileOf(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The profile of this name, for this reader (None: nobody known)."""

    username: Username
    reader: UserId | None


class Follow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Begin or end to follow the user of this name; the same again changes nothing."""

    username: Username
    follower: UserId


class FollowedAmong(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which of these the reader follows."""

    reader: UserId
    users: Annotated[list[UserId], Meta(max_length=MAX_PAGE)]


class FollowedBy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whom the reader follows."""

    reader: UserId


class Followed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Ids of users."""

    users: Annotated[list[UserId], Meta(max_length=MAX_FOLLOWED)]


GET_PROFILE = Pattern("get_profile", ProfileOf, Profile)
"""Refuses 404 `profile`."""
FOLLOW_USER = Pattern("follow_user", Follow, Profile)
"""Refuses 404 `profile`; 422 `profile`: it is oneself, or one follows 5,000 already."""
UNFOLLOW_USER = Pattern("unfollow_user", Follow, Profile)
"""Refuses 404 `profile`."""
GET_FOLLOWED_AMONG = Pattern("get_followed_among", FollowedAmong, Followed)
GET_FOLLOWED = Pattern("get_followed", FollowedBy, Followed)
PATTERNS: tuple[Pattern[Any, Any], ...] = (
    GET_PROFILE, FOLLOW_USER, UNFOLLOW_USER, GET_FOLLOWED_AMONG, GET_FOLLOWED,
)  # fmt: skip
