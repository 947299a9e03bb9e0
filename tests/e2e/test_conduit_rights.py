"""Conduit on a broker that checks rights: each process has what docs/conduit.md says, and no more."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conduit.contracts import articles, profiles, users
from tests.conduit_processes import ROLES, ConduitProcesses
from tests.secured_kafka import CONDUIT_USERS, Kind, Operation, SecuredKafka
from tests.waiting import eventually

MAKE = (Operation.CREATE, Operation.DESCRIBE_CONFIGS)
"""A topic that is missing."""
PATTERNS = {"auth": users.PATTERNS, "profiles": profiles.PATTERNS, "articles": articles.PATTERNS}
REQUESTS = {role: [pattern.topic for pattern in patterns] for role, patterns in PATTERNS.items()}
COPIES = ("profiles", "articles")
DESCRIPTIONS = (users.DESCRIBE_USER.topic, users.DESCRIBE_USERNAME.topic)
CHANGED = users.USER_CHANGED.topic


def rights_of_the_page() -> Iterator[tuple[str, Kind, str, Sequence[Operation]]]:
    """Role, and what it may do with which topic or group."""
    for role, topics in REQUESTS.items():
        yield role, Kind.GROUP, f"conduit-{role}", [Operation.READ]
        for topic in topics:
            yield role, Kind.TOPIC, topic, [Operation.READ, *MAKE]
            yield "gateway", Kind.TOPIC, topic, [Operation.WRITE]
    yield "auth", Kind.TOPIC, CHANGED, [Operation.WRITE, *MAKE]
    for role in ("gateway", *COPIES):
        yield role, Kind.TOPIC, f"conduit-{role}.reply", [Operation.READ, *MAKE]
        yield "auth", Kind.TOPIC, f"conduit-{role}.reply", [Operation.WRITE]
    for role in COPIES:
        yield role, Kind.TOPIC, "conduit-gateway.reply", [Operation.WRITE]
        yield role, Kind.TOPIC, CHANGED, [Operation.READ, *MAKE]
        yield role, Kind.TOPIC, f"{CHANGED}.conduit-{role}.dlq", [Operation.WRITE, *MAKE]
        for topic in DESCRIPTIONS:
            yield role, Kind.TOPIC, topic, [Operation.WRITE]


@pytest.fixture
async def conduit(
    tmp_path: Path, empty_database_url: str, secured_kafka: SecuredKafka
) -> AsyncIterator[ConduitProcesses]:
    allowed = (
        secured_kafka.allow(CONDUIT_USERS[role], kind, name, *operations)
        for role, kind, name, operations in rights_of_the_page()
    )
    await asyncio.gather(*allowed)
    more = {role: secured_kafka.environment(CONDUIT_USERS[role]) for role in ROLES}
    processes = ConduitProcesses(tmp_path, empty_database_url, secured_kafka.administration, more=more)
    try:
        await processes.start_all()
        yield processes
    finally:
        processes.stop()


async def test_four_users_with_the_rights_of_the_page_are_enough(conduit: ConduitProcesses) -> None:
    """Registration, an article, a follower, and the feed: every way between the four is gone once."""
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, body: Any = None, token: str = "") -> Any:
            headers = {"Authorization": f"Token {token}"} if token else {}
            async with session.request(
                method, f"{conduit.url}/api{path}", json=body, headers=headers
            ) as answer:
                assert answer.status in {200, 201}, f"{path}: {answer.status} {await answer.text()}"
                return await answer.json()

        async def token_of(name: str) -> str:
            user = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
            return str((await ask("POST", "/users", {"user": user}))["user"]["token"])

        author, reader = await token_of("author"), await token_of("reader")
        article = {"title": "On rights", "description": "Which", "body": "Few.", "tagList": ["kafka"]}
        await ask("POST", "/articles", {"article": article}, author)
        await ask("POST", "/profiles/author/follow", {}, reader)
        feed = await ask("GET", "/articles/feed", token=reader)
        assert [each["author"]["following"] for each in feed["articles"]] == [True]
        await ask("PUT", "/user", {"user": {"bio": "Writes."}}, author)

        async def all_have_heard() -> bool:
            profile = (await ask("GET", "/profiles/author"))["profile"]
            listed = (await ask("GET", "/articles"))["articles"][0]["author"]
            return bool(profile["bio"] == listed["bio"] == "Writes.")

        await eventually(all_have_heard)
    for role in ROLES:
        await conduit.answers(role, status=200)
