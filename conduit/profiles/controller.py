"""What others may ask of profiles, and what profiles listens to."""

from conduit.contracts.profiles import (
    FOLLOW_USER,
    GET_FOLLOWED,
    GET_FOLLOWED_AMONG,
    GET_PROFILE,
    UNFOLLOW_USER,
    Follow,
    Followed,
    FollowedAmong,
    FollowedBy,
    Profile,
    ProfileOf,
)
from conduit.contracts.users import USER_CHANGED, UserChanged
from conduit.profiles.service import ProfileService
from conduit.profiles.store import SqlFollows
from kits.rpc.call import Call
from kits.rpc.handlers import event_pattern, message_pattern
from kits.rpc_service.storage import storage_refusals


class ProfileController:
    """Each change happens once, however often its request comes."""

    def __init__(self, profiles: ProfileService) -> None:
        self._profiles = profiles

    @message_pattern(GET_PROFILE)
    async def profile(self, query: ProfileOf) -> Profile:
        """One profile."""
        with storage_refusals():
            return await self._profiles.profile(query.username, query.reader)

    @message_pattern(FOLLOW_USER)
    async def follow(self, command: Follow, call: Call) -> Profile:
        """Follow."""
        with storage_refusals():
            # Before the transaction: auth may have to be asked.
            person = await self._profiles.named(command.username)
            async with call.once() as work:
                return await self._profiles.follow(person, command.follower, SqlFollows(work))

    @message_pattern(UNFOLLOW_USER)
    async def unfollow(self, command: Follow, call: Call) -> Profile:
        """Follow no more."""
        with storage_refusals():
            person = await self._profiles.named(command.username)
            async with call.once() as work:
                return await self._profiles.unfollow(person, command.follower, SqlFollows(work))

    @message_pattern(GET_FOLLOWED)
    async def followed(self, query: FollowedBy) -> Followed:
        """Whom somebody follows."""
        with storage_refusals():
            return Followed(users=await self._profiles.followed(query.reader))

    @message_pattern(GET_FOLLOWED_AMONG)
    async def followed_among(self, query: FollowedAmong) -> Followed:
        """Whom of these."""
        with storage_refusals():
            return Followed(users=await self._profiles.followed_among(query.reader, query.users))

    # Through an outage of the database of about an hour: a change that is let go would be missed for long.
    @event_pattern(USER_CHANGED, retries=1_000)
    async def keep(self, event: UserChanged) -> None:
        """A user is new, or changed."""
        await self._profiles.keep(event)
