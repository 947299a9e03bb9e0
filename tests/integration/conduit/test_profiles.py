"""Profiles: a copy of the users that asks auth for who is missing, and who follows whom, each once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

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
from conduit.contracts.users import UserChanged
from conduit.profiles.container import Container
from conduit.profiles.settings import ProfilesSettings
from kits.rpc.client import RpcClient
from tests.conduit_services import (
    NO_KAFKA,
    FailsAtFirst,
    FakeAuth,
    Named,
    a_user,
    asker_on,
    conduit_kafka,
    database_of,
    refused,
    service_on,
    tell,
)
from tests.fake_kafka import FakeKafka
from tests.rpc_services import fake_server, started

LONG = 30.0


@dataclass
class World:
    """Profiles, somebody who asks, and an auth that may be there."""

    kafka: FakeKafka
    asker: RpcClient
    container: Any

    async def tell(self, *changes: UserChanged) -> None:
        await tell(self.kafka, self.asker, *changes)

    async def profile(self, username: str, reader: str | None = None) -> Profile:
        return await self.asker.send(GET_PROFILE, ProfileOf(username=username, reader=reader), timeout=LONG)

    async def follow(self, follower: str, username: str) -> Profile:
        return await self.asker.send(FOLLOW_USER, Follow(username=username, follower=follower), timeout=LONG)


@asynccontextmanager
async def world(database_url: str, auth: FakeAuth | None = None) -> AsyncIterator[World]:
    kafka = conduit_kafka()
    container = Container(settings=ProfilesSettings(database=database_of(database_url), kafka=NO_KAFKA))
    servers = [fake_server(kafka, Named("conduit-auth"), auth)] if auth else []
    async with (
        service_on(kafka, container, "conduit-profiles"),
        asker_on(kafka) as asker,
        started(*servers),
    ):
        yield World(kafka, asker, container)


async def test_a_profile_is_found_by_its_name_and_says_whether_the_reader_follows(
    empty_database_url: str,
) -> None:
    """Following and following no more are each the same when they come again; nobody follows oneself."""
    async with world(empty_database_url) as here:
        await here.tell(a_user(1, "ann", bio="writes"), a_user(2, "bob"))
        assert await here.profile("ann") == Profile(username="ann", bio="writes", image=None, following=False)
        for _ in range(2):
            assert (await here.follow("u-2", "ann")).following
        assert (await here.profile("ann", "u-2")).following
        assert not (await here.profile("bob", "u-1")).following
        assert await here.asker.send(GET_FOLLOWED, FollowedBy(reader="u-2"), timeout=LONG) == Followed(
            users=["u-1"]
        )
        among = FollowedAmong(reader="u-2", users=["u-1", "u-2", "u-9"])
        assert (await here.asker.send(GET_FOLLOWED_AMONG, among, timeout=LONG)).users == ["u-1"]
        assert await refused(here.follow("u-1", "ann")) == (
            422, "profile_cant_be_your_own", "profile", "can't be your own",
        )  # fmt: skip
        for _ in range(2):
            no_more = Follow(username="ann", follower="u-2")
            assert not (await here.asker.send(UNFOLLOW_USER, no_more, timeout=LONG)).following
        assert not (await here.profile("ann", "u-2")).following


async def test_the_copy_keeps_the_highest_version_whatever_the_order(empty_database_url: str) -> None:
    """An event that comes late, or again, changes nothing."""
    async with world(empty_database_url, FakeAuth()) as here:
        await here.tell(
            a_user(1, "ann", version=2, bio="new"),
            a_user(1, "old", version=1),
            a_user(1, "ann", version=2, bio="another"),
        )
        assert (await here.profile("ann")).bio == "new"
        assert (await refused(here.profile("old")))[0] == 404


async def test_who_is_missing_in_the_copy_is_asked_of_auth_once(empty_database_url: str) -> None:
    """A user who registered a moment ago has a profile; who does not exist has none."""
    auth = FakeAuth(a_user(3, "new", bio="just here"))
    async with world(empty_database_url, auth) as here:
        assert (await here.profile("new")).bio == "just here"
        assert (await here.profile("new")).bio == "just here"
        assert auth.asked == 1
        assert await refused(here.profile("nobody")) == (404, "profile_not_found", "profile", "not found")


async def test_without_auth_who_is_known_is_answered_and_who_is_not_names_auth(
    empty_database_url: str,
) -> None:
    """Nobody is told that a user does not exist while that is not known."""
    async with world(empty_database_url) as here:
        await here.tell(a_user(1, "ann"))
        status, code, path, _ = await refused(here.profile("somebody"))
        assert (status, code, path) == (503, "service_unavailable", "auth")
        assert (await here.profile("ann")).username == "ann"


async def test_an_event_waits_for_a_database_that_is_away(empty_database_url: str) -> None:
    """A copy that let a change go would be wrong until the user's next one."""
    async with world(empty_database_url) as here:
        keeping = FailsAtFirst(here.container.persons())
        await here.tell(a_user(1, "ann", bio="kept"))
        assert keeping.failures == 0
        assert (await here.profile("ann")).bio == "kept"
