"""The shapes of RealWorld's answers about users, profiles and tags, and of refusals."""

import msgspec

from conduit.contracts.profiles import Profile
from conduit.gateway.services.auth_service import Account


class ErrorsAnswer(msgspec.Struct, frozen=True):
    """What is wrong, by field."""

    errors: dict[str, list[str]]


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """Oneself; the token is shown to its holder alone."""

    email: str
    token: str
    username: str
    bio: str | None
    image: str | None

    def __repr__(self) -> str:
        return f"UserView({self.username})"


class UserAnswer(msgspec.Struct, frozen=True):
    """Oneself."""

    user: UserView

    @classmethod
    def of(cls, account: Account) -> "UserAnswer":
        """Of this account."""
        user = account.user
        view = UserView(
            email=user.email, token=account.token, username=user.username, bio=user.bio, image=user.image
        )
        return cls(view)


class ProfileAnswer(msgspec.Struct, frozen=True):
    """A user as others see it."""

    profile: Profile


class TagsAnswer(msgspec.Struct, frozen=True):
    """The tags that most articles have."""

    tags: list[str]
