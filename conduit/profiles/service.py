"""Use cases of profiles: see one, follow, follow no more, and keep the copy of the users."""

from conduit.contracts.profiles import Profile
from conduit.contracts.refusals import not_found, refusal
from conduit.contracts.texts import MAX_FOLLOWED
from conduit.contracts.users import UserChanged
from conduit.profiles.ports import Follows, PersonReader, PersonStore, UserDirectory


class ProfileService:
    """Every method raises RpcError: 404 `profile`, or 503."""

    def __init__(self, reader: PersonReader, store: PersonStore, directory: UserDirectory) -> None:
        self._reader = reader
        self._store = store
        self._directory = directory

    async def profile(self, username: str, reader: str | None) -> Profile:
        """Who has this name, and whether the reader follows."""
        person = await self.named(username)
        follows = reader is not None and await self._reader.follows(reader, person.id)
        return _profile(person, follows=follows)

    async def follow(self, person: UserChanged, follower: str, follows: Follows) -> Profile:
        """Follow somebody, in the transaction of `follows`; again is the same. Refuses 422 `profile`."""
        if person.id == follower:
            raise refusal(422, "profile", "can't be your own")
        if not await follows.add(follower, person.id, MAX_FOLLOWED):
            raise refusal(422, "profile", f"can't be followed: you follow {MAX_FOLLOWED} already")
        return _profile(person, follows=True)

    async def unfollow(self, person: UserChanged, follower: str, follows: Follows) -> Profile:
        """Follow somebody no more, in the transaction of `follows`; again is the same."""
        await follows.remove(follower, person.id)
        return _profile(person, follows=False)

    async def followed(self, reader: str) -> list[str]:
        """Ids of whom the reader follows."""
        return list(await self._reader.followed(reader, MAX_FOLLOWED))

    async def followed_among(self, reader: str, users: list[str]) -> list[str]:
        """Ids of whom the reader follows among these."""
        return list(await self._reader.followed_among(reader, users))

    async def keep(self, person: UserChanged) -> None:
        """Take what auth tells into the copy; what is older than the copy changes nothing."""
        await self._store.keep(person)

    async def named(self, username: str) -> UserChanged:
        """Whoever has this name, by the copy, else by auth, which may take a second."""
        person = await self._reader.named(username)
        if person is None:
            # New since a moment ago, or called something else before.
            person = await self._directory.named(username)
            if person is None:
                raise not_found("profile")
            await self._store.keep(person)
        return person


def _profile(person: UserChanged, *, follows: bool) -> Profile:
    return Profile(username=person.username, bio=person.bio, image=person.image, following=follows)
