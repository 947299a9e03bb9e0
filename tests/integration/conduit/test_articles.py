"""Articles: written, changed, favoured and taken away, each once; their authors are a copy of the users."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from conduit.contracts import articles as contract
from conduit.contracts.articles import (
    CREATE_ARTICLE,
    DELETE_ARTICLE,
    GET_ARTICLE,
    UNFAVORITE_ARTICLE,
    UPDATE_ARTICLE,
    Article,
    Author,
    CreateArticle,
    DeleteArticle,
    Favorite,
    UpdateArticle,
)
from kits.kafka.records import OutgoingRecord
from kits.rpc.client import RpcClient
from kits.rpc.patterns import Pattern
from tests.conduit_services import FailsAtFirst, FakeAuth, a_user, refused
from tests.integration.conduit.article_world import world
from tests.waiting import eventually

NO_ARTICLE = (404, "article_not_found", "article", "not found")
NOT_YOURS = (403, "article_forbidden", "article", "forbidden")


async def test_an_article_is_written_read_changed_and_taken_away(empty_database_url: str) -> None:
    """With its author, its tags in their order, and times to the millisecond; nobody else may change it."""
    async with world(empty_database_url) as here:
        written = await here.write("How to train", ["dragons", "b", "dragons", "a"])
        assert (written.slug, written.tag_list) == ("how-to-train", ["a", "b", "dragons"])
        assert written.author == Author(id="u-1", username="ann", bio="writes", image=None)
        assert written.created_at == written.updated_at
        assert written.created_at.microsecond % 1000 == 0
        assert abs(datetime.now(UTC) - written.created_at) < timedelta(minutes=5)
        assert await here.article("how-to-train") == written
        for change in (
            UpdateArticle(slug="how-to-train", editor="u-2", body="x"),
            DeleteArticle(slug="how-to-train", editor="u-2"),
        ):
            pattern = UPDATE_ARTICLE if isinstance(change, UpdateArticle) else DELETE_ARTICLE
            assert await refused(here.ask(pattern, change)) == NOT_YOURS
        await here.comment("how-to-train")
        await here.favor("how-to-train", "u-2")
        assert await here.ask(DELETE_ARTICLE, DeleteArticle(slug="how-to-train", editor="u-1")) is None
        assert await refused(here.article("how-to-train")) == NO_ARTICLE
        left = await here.rows("""
            SELECT tag FROM conduit_articles.article_tag
            UNION ALL SELECT reader_id FROM conduit_articles.favorite
            UNION ALL SELECT body FROM conduit_articles.comment
        """)
        assert left == []


async def test_an_update_changes_what_it_has_and_the_time(empty_database_url: str) -> None:
    """The time grows with every update, also within a millisecond; favourites do not touch it."""
    async with world(empty_database_url) as here:

        async def update(slug: str, **changes: Any) -> Article:
            article: Article = await here.ask(
                UPDATE_ARTICLE, UpdateArticle(slug=slug, editor="u-1", **changes)
            )
            return article

        seen = [await here.write("First", ["a", "b"])]
        updates: list[dict[str, Any]] = [
            {"body": "new"},
            {},
            {"tag_list": ["c", "a", "c"]},
            {"description": "other"},
            {"tag_list": []},
            {"title": "FIRST!"},
            {"title": "Second"},
        ]
        for changes in updates:
            seen.append(await update(seen[-1].slug, **changes))
            assert seen[-1] == await here.article(seen[-1].slug)
        assert [each.updated_at for each in seen] == sorted({each.updated_at for each in seen})
        assert {each.created_at for each in seen} == {seen[0].created_at}
        assert [each.tag_list for each in seen][2:6] == [["a", "b"], ["a", "c"], ["a", "c"], []]
        assert [each.slug for each in seen][5:] == ["first", "first", "second"]
        assert (seen[-1].title, seen[-1].body, seen[-1].description) == ("Second", "new", "other")
        assert await refused(here.article("first")) == NO_ARTICLE
        await here.write("Third")
        third = await update("second", title="third")
        assert third.slug.startswith("third-")
        assert (await here.favor(third.slug, "u-2")).updated_at == third.updated_at
        assert (await here.page(tag="a")).articles_count == 0


async def test_every_title_may_be_used_again_also_at_once(empty_database_url: str) -> None:
    """The first gets the plain slug, the others one of their own."""
    async with world(empty_database_url) as here:
        written = await asyncio.gather(*(here.write("Same Title") for _ in range(8)))
        assert len({each.slug for each in written}) == 8
        assert [each.slug for each in written if len(each.slug) < 12] == ["same-title"]
        others = [each.slug for each in written]
        renames = (
            here.ask(UPDATE_ARTICLE, UpdateArticle(slug=slug, editor="u-1", title="One name"))
            for slug in others
        )
        assert len({each.slug for each in await asyncio.gather(*renames)}) == 8


async def test_favourites_are_counted_right_whoever_comes_at_once(empty_database_url: str) -> None:
    """Many readers at once, and each of them more than once."""
    async with world(empty_database_url) as here:
        slug = (await here.write()).slug
        readers = [f"r-{number}" for number in range(8)]
        seen = await asyncio.gather(*(here.favor(slug, reader) for reader in readers * 3))
        assert all(each.favorited for each in seen)
        assert (await here.article(slug, "r-0")).favorites_count == 8
        assert not (await here.article(slug)).favorited
        assert not (await here.article(slug, "u-1")).favorited
        await asyncio.gather(
            *(here.ask(UNFAVORITE_ARTICLE, Favorite(slug=slug, reader=each)) for each in readers[:5] * 2)
        )
        left = await here.article(slug, "r-0")
        assert (left.favorites_count, left.favorited) == (3, False)
        assert await here.rows("SELECT count(*) FROM conduit_articles.favorite") == [(3,)]


async def test_a_request_that_comes_again_makes_one_article_and_has_the_first_reply(
    empty_database_url: str,
) -> None:
    """Kafka hands it out once more when a process died before its reply was acknowledged."""
    async with world(empty_database_url) as here:
        await here.write("Only once", ["a"])
        request = here.kafka.records(CREATE_ARTICLE.topic)[0]
        replies = len(here.kafka.records("conduit-test.reply"))
        for _ in range(2):
            here.kafka.write(OutgoingRecord(request.topic, request.key, request.value, request.headers))
        await eventually(lambda: len(here.kafka.records("conduit-test.reply")) == replies + 2)
        assert len({each.value for each in here.kafka.records("conduit-test.reply")}) == 1
        assert (await here.page()).articles_count == 1


async def test_an_author_who_is_missing_in_the_copy_is_asked_of_auth(empty_database_url: str) -> None:
    """Somebody who registered a moment ago may write; who does not exist may not."""
    auth = FakeAuth(a_user(3, "new", bio="just here"))
    async with world(empty_database_url, auth) as here:
        assert (await here.write(author="u-3")).author.username == "new"
        assert (await here.comment("a-title", author="u-3")).author.bio == "just here"
        assert auth.asked == 1
        for asking in here.write(author="u-9"), here.comment("a-title", author="u-9"):
            assert await refused(asking) == (404, "user_not_found", "user", "not found")
        assert (await here.page()).articles_count == 1


async def test_a_changed_profile_reaches_the_articles_and_their_comments(empty_database_url: str) -> None:
    """By event; an older version that comes late changes nothing. A name belongs to whoever has it now."""
    async with world(empty_database_url) as here:
        await here.write()
        await here.comment("a-title")
        await here.tell(
            a_user(1, "anna", version=3, bio="wrote"), a_user(1, "an", version=2), a_user(4, "ann")
        )
        article, page = await here.article("a-title"), await here.page(author="anna")
        (comment,) = await here.ask(contract.GET_COMMENTS, contract.CommentsOf(slug="a-title"))
        for each in article, page.articles[0], comment:
            assert each.author == Author(id="u-1", username="anna", bio="wrote", image=None)
        assert (await here.page(author="ann")).articles_count == 0


async def test_without_its_tables_a_request_is_refused_in_words(empty_database_url: str) -> None:
    async with world(empty_database_url) as here:
        await here.write()
        await here.run("ALTER TABLE conduit_articles.person RENAME TO away")
        for asking in here.write(), here.page(), here.article("a-title"):
            assert (await refused(asking))[:2] == (503, "storage_unavailable")


async def test_an_event_waits_for_a_database_that_is_away(empty_database_url: str) -> None:
    """A copy that let a change go would be wrong until the user's next one."""
    async with world(empty_database_url) as here:
        keeping = FailsAtFirst(here.container.stored_persons())
        await here.tell(a_user(1, "anna", version=2))
        assert keeping.failures == 0
        assert (await here.write()).author.username == "anna"


async def test_without_auth_whoever_is_known_is_served_and_others_name_auth(empty_database_url: str) -> None:
    """Nobody is told that a user does not exist while that is not known."""
    async with world(empty_database_url) as here:
        assert (await here.write()).slug == "a-title"
        assert (await here.page(author="ann", favorited="bob")).articles_count == 0
        asking = refused(here.write(author="u-9")), refused(here.page(author="nobody"))
        for found in await asyncio.gather(*asking):
            assert found[:3] == (503, "service_unavailable", "auth")


async def test_what_names_an_article_that_is_not_there_is_refused(empty_database_url: str) -> None:
    async with world(empty_database_url) as here:
        for pattern, request in (
            (UPDATE_ARTICLE, UpdateArticle(slug="none", editor="u-1")),
            (DELETE_ARTICLE, DeleteArticle(slug="none", editor="u-1")),
            (contract.FAVORITE_ARTICLE, Favorite(slug="none", reader="u-1")),
            (UNFAVORITE_ARTICLE, Favorite(slug="none", reader="u-1")),
            (contract.ADD_COMMENT, contract.AddComment(slug="none", author="u-1", body="b")),
            (contract.GET_COMMENTS, contract.CommentsOf(slug="none")),
            (contract.DELETE_COMMENT, contract.DeleteComment(slug="none", id=1, editor="u-1")),
        ):
            assert await refused(here.ask(pattern, request)) == NO_ARTICLE, pattern.topic


GOOD: dict[str, Any] = {"author": "u-1", "title": "t", "description": "d", "body": "b", "tagList": []}


async def test_bad_input_is_refused_with_its_place(empty_database_url: str) -> None:
    """Every limit of the contract, and texts that no database takes."""
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("create_article", GOOD | {"title": ""}, "$.title"),
        ("create_article", GOOD | {"title": "x" * 201}, "$.title"),
        ("create_article", GOOD | {"title": "a\nb"}, "$.title"),
        ("create_article", GOOD | {"description": "x" * 1_001}, "$.description"),
        ("create_article", GOOD | {"body": "a\0b"}, "$.body"),
        ("create_article", GOOD | {"body": "x" * 40_001}, "$.body"),
        ("create_article", GOOD | {"tagList": ["t"] * 31}, "$.tagList"),
        ("create_article", GOOD | {"tagList": [""]}, "$.tagList[0]"),
        ("create_article", GOOD | {"tagList": ["x" * 51]}, "$.tagList[0]"),
        ("create_article", GOOD | {"tagList": None}, "$.tagList"),
        ("create_article", GOOD | {"author": "ü"}, "$.author"),
        ("update_article", {"slug": "x" * 251, "editor": "u-1"}, "$.slug"),
        ("update_article", {"slug": "s", "editor": "u-1", "tagList": None}, "$.tagList"),
        ("get_all_articles", {"reader": None, "limit": 101}, "$.limit"),
        ("get_all_articles", {"reader": None, "limit": 0}, "$.limit"),
        ("get_all_articles", {"reader": None, "offset": 1_000_001}, "$.offset"),
        ("get_all_articles", {"reader": None, "tag": "a\0"}, "$.tag"),
        ("get_feed", {"reader": "u-1", "authors": ["a"] * 5_001}, "$.authors"),
        ("add_comment", {"slug": "s", "author": "u-1", "body": "x" * 10_001}, "$.body"),
        ("delete_comment", {"slug": "s", "id": "1.5", "editor": "u-1"}, "$.id"),
    ]
    async with world(empty_database_url) as here:
        for topic, request, path in bad:
            found = await refused(raw(here.asker, topic, msgspec.json.encode(request)))
            assert found[:3] == (422, "unreadable_request", path), request
        surrogate = msgspec.json.encode(GOOD).replace(b'"t"', rb'"\ud800"')
        assert (await refused(raw(here.asker, "create_article", surrogate)))[0] == 422
        assert (await here.page(offset=1_000_000)).articles == []


async def test_the_longest_article_is_kept_as_it_is(empty_database_url: str) -> None:
    """Every text at its limit, in characters of four bytes, and thirty tags."""
    async with world(empty_database_url) as here:
        tags = [f"{number:02}" + "\U0001f600" * 48 for number in range(30)]
        long = CreateArticle(
            author="u-1",
            title="\U00020000" * 200,
            description="\U0001f600" * 1_000,
            body="\U0001f600" * 40_000,
            tag_list=tags,
        )
        article = await here.ask(CREATE_ARTICLE, long)
        assert article == await here.ask(GET_ARTICLE, contract.ArticleOf(slug=article.slug, reader=None))
        assert (article.body, article.tag_list, len(article.slug)) == (long.body, tags, 100)


async def raw(asker: RpcClient, topic: str, value: bytes) -> object:
    return await asker.send(Pattern(topic, bytes, bytes), value, timeout=30.0)
