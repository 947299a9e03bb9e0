"""Use cases: profiles, and who follows whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conduit.contracts.profiles import (
    FOLLOW_USER,
    GET_FOLLOWED,
    GET_FOLLOWED_AMONG,
    GET_PROFILE,
    UNFOLLOW_USER,
    Follow,
    FollowedAmong,
    FollowedBy,
    Profile,
    ProfileOf,
)
from conduit.contracts.refusals import not_found
from conduit.contracts.texts import MAX_PAGE, Username
from conduit.gateway.backend import Backend
from conduit.gateway.checking import fits
from conduit.gateway.errors import ServiceAwayError, refused

_FOLLOWING_SECONDS = 1.0
"""Articles do not wait longer for what only decorates them."""


@dataclass(frozen=True, slots=True)
class Following:
    """Whom of some authors the reader follows; None: nobody knows now, and `errors` says why."""

    users: frozenset[str] | None
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, author_id: str) -> bool | None:
        """Whether the reader follows this one."""
        return None if self.users is None else author_id in self.users


NOBODY = Following(frozenset())


class ProfileService:
    """Raises, from every method but `following`: RefusedError as profiles says it; ServiceAwayError."""

    def __init__(self, profiles: Backend) -> None:
        self._profiles = profiles

    async def profile(self, username: str, reader: str | None) -> Profile:
        """The profile of this name; 404 `profile`."""
        _require_name(username)
        return await self._profiles.ask(GET_PROFILE, ProfileOf(username=username, reader=reader))

    async def follow(self, username: str, follower: str) -> Profile:
        """The profile, followed."""
        _require_name(username)
        wish = Follow(username=username, follower=follower)
        return await self._profiles.ask(FOLLOW_USER, wish, key=follower)

    async def unfollow(self, username: str, follower: str) -> Profile:
        """The profile, not followed."""
        _require_name(username)
        wish = Follow(username=username, follower=follower)
        return await self._profiles.ask(UNFOLLOW_USER, wish, key=follower)

    async def followed(self, reader: str) -> list[str]:
        """The ids of all whom the reader follows."""
        return (await self._profiles.ask(GET_FOLLOWED, FollowedBy(reader=reader))).users

    async def followed_among(self, reader: str | None, users: Iterable[str]) -> frozenset[str]:
        """Which of these the reader follows: nobody follows himself, and who is not known follows nobody."""
        asked = sorted(set(users) - {reader})
        if reader is None or not asked:
            return frozenset()
        found: set[str] = set()
        for begin in range(0, len(asked), MAX_PAGE):
            question = FollowedAmong(reader=reader, users=asked[begin : begin + MAX_PAGE])
            reply = await self._profiles.ask(GET_FOLLOWED_AMONG, question, within=_FOLLOWING_SECONDS)
            found.update(reply.users)
        return frozenset(found)

    async def following(self, reader: str | None, users: Iterable[str]) -> Following:
        """As followed_among, for answers that are complete without it. Never raises for a service away."""
        try:
            return Following(await self.followed_among(reader, users))
        except ServiceAwayError as error:
            return Following(None, error.errors)


def _require_name(username: str) -> None:
    if not fits(username, Username):
        raise refused("profiles", not_found("profile"))
