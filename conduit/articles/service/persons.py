"""Use cases: who people are, by the copy of the users and by auth."""

from collections.abc import Collection, Mapping

from conduit.articles.ports import PersonReader, PersonStore, UserDirectory
from conduit.contracts.articles import Author
from conduit.contracts.refusals import not_found
from conduit.contracts.users import UserChanged


class PersonService:
    """Who people are, by the copy, else by auth, which may take a second. Raises RpcError: 503."""

    def __init__(self, reader: PersonReader, store: PersonStore, directory: UserDirectory) -> None:
        self._reader = reader
        self._store = store
        self._directory = directory

    async def author(self, user_id: str) -> Author:
        """Whoever has this id. Refuses 404 `user`."""
        person = await self._reader.person(user_id)
        if person is None:
            # New since a moment ago.
            person = await self._directory.user(user_id)
            if person is None:
                raise not_found("user")
            await self._store.keep(person)
        return Author(id=person.id, username=person.username, bio=person.bio, image=person.image)

    async def ids_of(self, usernames: Collection[str]) -> Mapping[str, str]:
        """The ids of those who have one of these names; a name that nobody has is left out."""
        if not usernames:
            return {}
        known = await self._reader.named(usernames)
        ids = {name: person.id for name, person in known.items()}
        for name in usernames:
            if name not in ids and (person := await self._directory.named(name)):
                await self._store.keep(person)
                ids[name] = person.id
        return ids

    async def keep(self, person: UserChanged) -> None:
        """Take what auth tells into the copy; what is older than the copy changes nothing."""
        await self._store.keep(person)
