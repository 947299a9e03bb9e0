"""Comments: said, read in their order, and taken back by who said them."""

import asyncio

from conduit.contracts.articles import (
    ADD_COMMENT,
    DELETE_ARTICLE,
    DELETE_COMMENT,
    GET_COMMENTS,
    Comment,
    CommentsOf,
    DeleteArticle,
    DeleteComment,
)
from kits.kafka.records import OutgoingRecord
from kits.rpc.errors import RpcError
from tests.conduit_services import refused
from tests.integration.conduit.article_world import World, world
from tests.waiting import eventually

NO_COMMENT = (404, "comment_not_found", "comment", "not found")


async def comments(here: World, slug: str = "a-title") -> list[Comment]:
    found: list[Comment] = await here.ask(GET_COMMENTS, CommentsOf(slug=slug))
    return found


async def test_comments_are_read_in_their_order_and_taken_back_by_their_author(
    empty_database_url: str,
) -> None:
    """Of one article only; nobody takes away what somebody else said, its article's author neither."""
    async with world(empty_database_url) as here:
        before = await here.write()
        await here.write("Other")
        assert await comments(here) == []
        first, second = await here.comment("a-title", "One."), await here.comment("a-title", "Two.", "u-2")
        await here.comment("other", "Elsewhere.")
        assert await comments(here) == [first, second]
        assert (first.author.username, second.author.username) == ("ann", "bob")
        assert first.created_at == first.updated_at

        async def delete(comment_id: int, editor: str, slug: str = "a-title") -> None:
            await here.ask(DELETE_COMMENT, DeleteComment(slug=slug, id=comment_id, editor=editor))

        assert await refused(delete(second.id, "u-1")) == (
            403, "comment_forbidden", "comment", "forbidden",
        )  # fmt: skip
        for missing in 0, -1, 999, 2**63 - 1, 2**63, 10**30:
            assert await refused(delete(missing, "u-1")) == NO_COMMENT
        assert await refused(delete(first.id, "u-1", "other")) == NO_COMMENT
        await delete(first.id, "u-1")
        assert await refused(delete(first.id, "u-1")) == NO_COMMENT
        assert await comments(here) == [second]
        assert await here.article("a-title") == before


async def test_a_comment_that_comes_again_is_said_once(empty_database_url: str) -> None:
    async with world(empty_database_url) as here:
        await here.write()
        await here.comment("a-title")
        request = here.kafka.records(ADD_COMMENT.topic)[0]
        replies = len(here.kafka.records("conduit-test.reply"))
        here.kafka.write(OutgoingRecord(request.topic, request.key, request.value, request.headers))
        await eventually(lambda: len(here.kafka.records("conduit-test.reply")) == replies + 1)
        assert len(await comments(here)) == 1


async def test_comments_on_an_article_that_goes_away_go_with_it(empty_database_url: str) -> None:
    """Who comes too late is told that there is no such article, whatever happens at once."""
    async with world(empty_database_url) as here:
        await here.write()
        said = [here.comment("a-title") for _ in range(8)]
        gone = here.ask(DELETE_ARTICLE, DeleteArticle(slug="a-title", editor="u-1"))
        answers = await asyncio.gather(*said[:4], gone, *said[4:], return_exceptions=True)
        assert {each.code for each in answers if isinstance(each, RpcError)} <= {"article_not_found"}
        assert await here.rows("SELECT id FROM conduit_articles.comment") == []


async def test_as_many_comments_are_answered_as_fit_into_a_reply(empty_database_url: str) -> None:
    """The newest of them, the oldest of those first; a reply is never too large for its topic."""
    async with world(empty_database_url) as here:
        await here.write()
        await here.run("""
            INSERT INTO conduit_articles.comment (article_id, author_id, body, created_at)
            SELECT 1, 'u-1', number::text, now() FROM generate_series(1, 600) AS number
        """)
        found = await comments(here)
        assert [each.body for each in found] == [str(number) for number in range(101, 601)]
        await here.run("""
            INSERT INTO conduit_articles.comment (article_id, author_id, body, created_at)
            SELECT 1, 'u-1', repeat(chr(1), 10000), now() FROM generate_series(1, 30)
        """)
        assert 10 < len(await comments(here)) < 30
