"""Conduit's processes survive each other: what one cannot say, the others still do, as fast as before."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.e2e.conduit import Conduit, Load, at_once, running
from tests.waiting import eventually, patient

PAGE = "{ user { username email } articles(limit: 5) { title author { username following } } }"
DEADLINE_SECONDS = 1.5
SHORT = {"CONDUIT_GATEWAY_TIMEOUT_SECONDS": str(DEADLINE_SECONDS)}


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_each_service_is_away_in_turn_under_load_and_the_others_go_on_as_fast(
    how: str, tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """What it alone says is refused in its name, the rest is answered; it is back without anybody's help."""
    async with running(tmp_path, empty_database_url, kafka_servers, **SHORT) as conduit:
        ann, bob = await asyncio.gather(conduit.register("ann"), conduit.register("bob"))
        written = await conduit.write_article("First", ann)
        assert written.status == 201, written
        page = Page(conduit, ann, bob, written.body["article"]["slug"])
        assert (await conduit.ask("POST", "/api/profiles/ann/follow", token=bob)).status == 200
        for away, look in (
            ("profiles", page.without_profiles),
            ("articles", page.without_articles),
            ("auth", page.without_auth),
        ):
            load = Load(conduit, bob)
            async with load.going("ann"):
                await load.all_is_well()
                (conduit.kill if how == "killed" else conduit.freeze)(away)
                others = await load.of_the_others(away)
                await look()
                if how == "killed":
                    await conduit.start(away)
                else:
                    conduit.thaw(away)
                await load.all_is_well()
            for service, answers in others.items():
                assert {answer.status for answer in answers} == {200}, (away, service)
                # The deadline of those that wait for the one that is away is nobody else's.
                assert median(answer.seconds for answer in answers) < patient(DEADLINE_SECONDS)
        assert set((await conduit.end_all()).values()) == {0}


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


async def test_a_service_that_comes_back_answers_what_waited_and_makes_one_article(
    tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """A request waits in Kafka while its service is away; one that was cut off in the middle comes again."""
    settings = {"CONDUIT_GATEWAY_TIMEOUT_SECONDS": str(patient(50))}
    async with running(tmp_path, empty_database_url, kafka_servers, **settings) as conduit:
        ann = await conduit.register("ann")
        assert (await conduit.write_article("Known author", ann)).status == 201
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
        connection = await asyncpg.connect(empty_database_url)
        try:
            titles = await connection.fetch(
                "SELECT title, count(*) FROM conduit_articles.article GROUP BY title HAVING count(*) > 1"
            )
            assert titles == []
        finally:
            await connection.close()


async def test_a_changed_user_reaches_the_copies_and_nothing_secret_is_in_a_topic_or_a_log(
    tmp_path: Path, empty_database_url: str, kafka_servers: str
) -> None:
    """The event brings name, bio and picture; one trace goes through gateway, Kafka and services."""
    password, other = "correct horse battery", "staple of the horse"
    async with running(tmp_path, empty_database_url, kafka_servers) as conduit:
        token = await conduit.register("ann", password)
        written = await conduit.write_article("By somebody", token)
        slug = written.body["article"]["slug"]
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        change = {"user": {"username": "anna", "bio": "Writes", "image": "https://e.x/i", "password": other}}
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        changed = await conduit.ask("PUT", "/api/user", change, token=token, **headers)
        assert changed.status == 200, changed

        async def told() -> bool:
            article = (await conduit.ask("GET", f"/api/articles/{slug}")).body["article"]
            profile = (await conduit.ask("GET", "/api/profiles/anna")).body["profile"]
            seen = [(each["username"], each["bio"], each["image"]) for each in (article["author"], profile)]
            return seen == [("anna", "Writes", "https://e.x/i")] * 2

        await eventually(told)
        assert (await conduit.login("ann", password)).status == 401
        signed_in = await conduit.login("ann", other)
        assert signed_in.status == 200
        tokens = [token, signed_in.body["user"]["token"]]
        secrets = [each.encode() for each in (password, other, *tokens)]
        await conduit.end_all()
        for name in ("gateway", "auth"):
            assert trace in conduit.log(name), name
        logs = "".join(conduit.log(name) for name in conduit.processes).encode()
        assert [each for each in secrets if each in logs] == []
        records = await everything_in(kafka_servers)
        assert b"ann@example.com" in records
        assert [each for each in secrets if each in records] == []


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
