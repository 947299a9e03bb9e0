"""Conduit's processes survive each other: what one cannot say, the others still do, as fast as before."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.e2e.conduit import PASSWORD, Conduit, Load, at_once, running
from tests.waiting import eventually, patient

PAGE = "{ user { username email } articles(limit: 5) { title author { username following } } }"
DEADLINE_SECONDS = 1.5
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SHORT = {"CONDUIT_GATEWAY_TIMEOUT_SECONDS": str(DEADLINE_SECONDS)}


async def test_each_service_is_killed_in_turn_and_what_waits_for_it_is_answered_by_the_next(
    tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """Under load the others go on as fast; a request that was cut off has one effect."""
    async with running(tmp_path, empty_database_url, kafka_servers, **SHORT) as conduit:
        page = await opened(conduit)
        await each_is_away(conduit, page, conduit.kill, conduit.start)

        conduit.settings["CONDUIT_GATEWAY_TIMEOUT_SECONDS"] = str(patient(50))
        await conduit.end("gateway")
        await conduit.start("gateway")
        await what_waits_is_answered(conduit, page.ann)
        assert set((await conduit.end_all()).values()) == {0}


async def test_each_service_is_frozen_in_turn_and_nothing_secret_is_in_a_topic_or_a_log(
    tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """Under load the others go on as fast; a changed user reaches the copies by event."""
    async with running(tmp_path, empty_database_url, kafka_servers, **SHORT) as conduit:
        page = await opened(conduit)
        await each_is_away(conduit, page, conduit.freeze, conduit.thaw_and_answer)
        secrets = [page.ann, page.bob, PASSWORD, *await a_user_changes(conduit)]
        assert set((await conduit.end_all()).values()) == {0}
        for name in ("gateway", "auth"):
            assert TRACE in conduit.log(name), name
        logs = "".join(conduit.log(name) for name in conduit.processes).encode()
        records = await everything_in(kafka_servers)
        assert b"carol@example.com" in records
        for secret in secrets:
            assert secret.encode() not in logs
            assert secret.encode() not in records


async def opened(conduit: Conduit) -> "Page":
    """Two users and an article; the second user follows its author."""
    ann, bob = await asyncio.gather(conduit.register("ann"), conduit.register("bob"))
    written = await conduit.write_article("First", ann)
    assert written.status == 201, written
    assert (await conduit.ask("POST", "/api/profiles/ann/follow", token=bob)).status == 200
    return Page(conduit, ann, bob, written.body["article"]["slug"])


async def each_is_away(
    conduit: Conduit,
    page: "Page",
    leave: Callable[[str], None],
    come_back: Callable[[str], Awaitable[object]],
) -> None:
    """What it alone says is refused in its name, the rest is answered; it is back without anybody's help."""
    for away, look in (
        ("profiles", page.without_profiles),
        ("articles", page.without_articles),
        ("auth", page.without_auth),
    ):
        load = Load(conduit, page.bob)
        async with load.going("ann"):
            await load.all_is_well()
            leave(away)
            others = await load.of_the_others(away)
            await look()
            await come_back(away)
            await load.all_is_well()
        for service, answers in others.items():
            assert {answer.status for answer in answers} == {200}, (away, service)
            # The deadline of those that wait for the one that is away is nobody else's.
            assert median(answer.seconds for answer in answers) < patient(DEADLINE_SECONDS)


@dataclass
class Page:
    """What a reader sees."""

    conduit: Conduit
    ann: str
    bob: str
    slug: str

    async def without_profiles(self) -> None:
        """Articles and login answer; who follows whom is not known, and it says so."""
        assert (await self.conduit.login("bob")).status == 200
        page = await self.conduit.graphql(PAGE, token=self.bob)
        assert page.body["data"]["user"]["username"] == "bob"
        assert [each["author"]["following"] for each in page.body["data"]["articles"]] == [None]
        assert any("profiles" in str(each) for each in page.body["errors"])
        listed = await self.conduit.ask("GET", "/api/articles", token=self.bob)
        assert listed.status == 200
        assert listed.body["articles"][0]["author"]["following"] is None
        assert "profiles" in listed.errors
        assert (await self.conduit.ask("GET", f"/api/articles/{self.slug}")).status == 200
        await at_once(self.conduit, "profiles", "GET", "/api/profiles/ann", self.bob)

    async def without_articles(self) -> None:
        """GraphQL answers what it can; REST names the service."""
        page = await self.conduit.graphql(PAGE, token=self.bob)
        bob = {"username": "bob", "email": "bob@example.com"}
        assert page.body["data"] == {"user": bob, "articles": None}
        assert [each["path"] for each in page.body["errors"]] == [["articles"]]
        refused = await self.conduit.ask("GET", f"/api/articles/{self.slug}")
        assert refused.status == 503
        assert "articles" in refused.errors
        ann = await self.conduit.ask("GET", "/api/profiles/ann", token=self.bob)
        assert ann.body["profile"]["following"] is True
        await at_once(self.conduit, "articles", "GET", "/api/tags")

    async def without_auth(self) -> None:
        """Whoever has a token goes on: it is the gateway that verifies it."""
        assert (await self.conduit.ask("GET", "/api/articles", token=self.bob)).status == 200
        assert (await self.conduit.write_article("While auth is away", self.ann)).status == 201
        assert (await self.conduit.ask("GET", "/api/profiles/ann", token=self.bob)).status == 200
        refused = await self.conduit.login("bob")
        assert refused.status == 503
        assert "auth" in refused.errors
        unknown = await self.conduit.ask("GET", "/api/profiles/somebody")
        assert unknown.status == 503
        assert "auth" in unknown.errors
        await at_once(self.conduit, "auth", "GET", "/api/user", self.bob)


async def what_waits_is_answered(conduit: Conduit, ann: str) -> None:
    """A request waits in Kafka while its service is away; one that was cut off in the middle comes again."""
    conduit.kill("articles")
    waiting = [asyncio.create_task(conduit.write_article(f"Waits {n}", ann)) for n in range(5)]
    listing = asyncio.create_task(conduit.ask("GET", "/api/articles?limit=1"))
    done, _ = await asyncio.wait({*waiting, listing}, timeout=1.0)
    assert not done
    await conduit.start("articles")
    assert [(await each).status for each in waiting] == [201] * 5
    assert (await listing).status == 200

    # Killed again and again while articles are written: each of them is there once.
    writing = [asyncio.create_task(conduit.write_article(f"Once {n}", ann)) for n in range(40)]
    for _ in range(2):
        await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        conduit.kill("articles")
        await conduit.start("articles")
    answers = await asyncio.gather(*writing)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["article"]["slug"] for answer in answers}) == 40
    connection = await asyncpg.connect(conduit.database_url)
    try:
        titles = await connection.fetch(
            "SELECT title, count(*) FROM conduit_articles.article GROUP BY title HAVING count(*) > 1"
        )
        assert titles == []
    finally:
        await connection.close()


async def a_user_changes(conduit: Conduit) -> list[str]:
    """The event brings name, bio and picture to both copies; returns what nobody may read."""
    password, other = "correct horse battery", "staple of the horse"
    token = await conduit.register("carol", password)
    written = await conduit.write_article("By somebody", token)
    slug = written.body["article"]["slug"]
    change = {"username": "caroline", "bio": "Writes", "image": "https://e.x/i", "password": other}
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    changed = await conduit.ask("PUT", "/api/user", {"user": change}, token=token, **headers)
    assert changed.status == 200, changed

    async def told() -> bool:
        article = (await conduit.ask("GET", f"/api/articles/{slug}")).body["article"]
        profile = (await conduit.ask("GET", "/api/profiles/caroline")).body["profile"]
        seen = [(each["username"], each["bio"], each["image"]) for each in (article["author"], profile)]
        return seen == [("caroline", "Writes", "https://e.x/i")] * 2

    await eventually(told)
    assert (await conduit.login("carol", password)).status == 401
    signed_in = await conduit.login("carol", other)
    assert signed_in.status == 200
    return [password, other, token, signed_in.body["user"]["token"]]


async def everything_in(kafka_servers: str) -> bytes:
    """Every byte of every record that the broker has: keys, values and headers."""
    found = bytearray()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_servers, auto_offset_reset="earliest")
    await admin.start()
    await consumer.start()
    try:
        places = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics()
            for partition in topic["partitions"]
            if not topic["is_internal"]
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning()
        while any([await consumer.position(at) < end for at, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    found += (record.key or b"") + (record.value or b"")
                    found += b"".join(value for _, value in record.headers)
    finally:
        await consumer.stop()
        await admin.close()
    return bytes(found)
