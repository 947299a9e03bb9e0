"""Contract: users, as auth owns them: registration, login, changes, and the event that tells of each."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from conduit.contracts.sealing import Sealed
from conduit.contracts.texts import Address, Bio, Email, UserId, Username
from kits.rpc.patterns import Event, Pattern


class User(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user as it stands; `version` grows by one with every change that others can see."""

    id: str
    username: str
    email: str
    bio: str | None
    image: str | None
    version: int


class UserCreation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who wants to be a user; `password` is sealed for auth (see sealing)."""

    username: Username
    email: Email
    password: Sealed


class Credentials(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who says to be a user."""

    email: Email
    password: Sealed


class SignedIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The user, and a token that only the asker can open."""

    user: User
    token: Sealed


class UserUpdate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What of a user becomes different; what is not there stays. None: without a bio, without a picture."""

    id: UserId
    username: Username | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    password: Sealed | UnsetType = UNSET
    bio: Bio | UnsetType | None = UNSET
    image: Address | UnsetType | None = UNSET


class UserWithId(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whoever has this id."""

    id: UserId


class UserNamed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whoever has this name now."""

    username: Username


class UserChanged(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What everybody may know of a user, at a version. A copy keeps the highest version."""

    id: UserId
    username: str
    bio: str | None
    image: str | None
    version: int


USER_CREATION = Pattern("user_creation", UserCreation, SignedIn)
"""Refuses 409 `username` or `email`; 422 `password`, shorter than 8 characters."""
VALIDATE_USER = Pattern("validate_user", Credentials, SignedIn)
"""Refuses 401 `credentials`, whichever of the two is wrong."""
USER_UPDATE = Pattern("user_update", UserUpdate, User)
"""Refuses 404 `user`, 409 `username` or `email`, 422 `password`."""
GET_USER = Pattern("get_user", UserWithId, User)
"""Refuses 404 `user`."""
DESCRIBE_USER = Pattern("describe_user", UserWithId, UserChanged)
"""For copies that miss one: what USER_CHANGED would tell. Refuses 404 `user`."""
DESCRIBE_USERNAME = Pattern("describe_username", UserNamed, UserChanged)
"""As DESCRIBE_USER, by name."""
PATTERNS: tuple[Pattern[Any, Any], ...] = (
    USER_CREATION, VALIDATE_USER, USER_UPDATE, GET_USER, DESCRIBE_USER, DESCRIBE_USERNAME,
)  # fmt: skip

USER_CHANGED = Event("user_changed", UserChanged)
"""From auth's outbox: at least once, in the order of versions per user, key = the user's id."""
