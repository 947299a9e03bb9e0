"""Lists of articles: the newest first, by tag, author, favourite and feed, with bounded work for each."""

import json
from collections.abc import Iterator
from typing import Any

from conduit.contracts.articles import GET_FEED, GET_TAGS, ArticlePage, Feed
from conduit.contracts.texts import MAX_FOLLOWED
from tests.conduit_services import FakeAuth
from tests.integration.conduit.article_world import World, slugs, world


async def feed(here: World, authors: list[str], **place: int) -> ArticlePage:
    page: ArticlePage = await here.ask(GET_FEED, Feed(reader="u-2", authors=authors, **place))
    return page


async def test_lists_have_what_is_asked_for_the_newest_first(empty_database_url: str) -> None:
    """Filters count together, each page knows how many there are, and what the reader favours is marked."""
    async with world(empty_database_url, FakeAuth()) as here:
        for title, author, tags in (
            ("one", "u-1", ["x", "y"]), ("two", "u-2", ["x"]), ("three", "u-1", ["y"]),
            ("four", "u-1", ["x"]),
        ):  # fmt: skip
            await here.write(title, tags, author)
        for slug in ("one", "two", "three"):
            await here.favor(slug, "u-2")
        expected: list[tuple[dict[str, Any], list[str], int]] = [
            ({}, ["four", "three", "two", "one"], 4),
            ({"limit": 2}, ["four", "three"], 4),
            ({"limit": 2, "offset": 3}, ["one"], 4),
            ({"offset": 4}, [], 4),
            ({"tag": "x"}, ["four", "two", "one"], 3),
            ({"tag": "x", "limit": 1, "offset": 1}, ["two"], 3),
            ({"tag": "none"}, [], 0),
            ({"author": "ann"}, ["four", "three", "one"], 3),
            ({"author": "ann", "tag": "x"}, ["four", "one"], 2),
            ({"favorited": "bob"}, ["three", "two", "one"], 3),
            ({"favorited": "bob", "tag": "y"}, ["three", "one"], 2),
            ({"favorited": "bob", "author": "bob"}, ["two"], 1),
            ({"favorited": "bob", "author": "ann", "tag": "x"}, ["one"], 1),
            ({"favorited": "ann"}, [], 0),
            ({"author": "nobody"}, [], 0),
            ({"author": "ann", "favorited": "nobody"}, [], 0),
        ]
        for asked, found, count in expected:
            page = await here.page(**asked)
            assert (slugs(page), page.articles_count) == (found, count), asked
        marked = await here.page(reader="u-2")
        assert [each.favorited for each in marked.articles] == [False, True, True, True]
        assert [each.favorites_count for each in marked.articles] == [0, 1, 1, 1]
        assert await here.ask(GET_TAGS, None) == ["x", "y"]
        for authors, place, found, count in (
            (["u-1", "u-2"], {}, ["four", "three", "two", "one"], 4),
            (["u-1", "u-1"], {"limit": 2, "offset": 1}, ["three", "one"], 3),
            (["u-9"], {}, [], 0),
            ([], {}, [], 0),
        ):
            page = await feed(here, authors, **place)
            assert (slugs(page), page.articles_count) == (found, count), authors


async def test_a_known_name_is_never_asked_of_auth_and_an_unknown_one_each_time(
    empty_database_url: str,
) -> None:
    """One question for one name, also if it stands twice."""
    auth = FakeAuth()
    async with world(empty_database_url, auth) as here:
        await here.page(author="ann", favorited="bob")
        assert auth.asked == 0
        await here.page(author="nobody", favorited="nobody")
        assert auth.asked == 1


GROWING = {"article", "article_tag", "favorite", "comment"}
SEED = """
INSERT INTO conduit_articles.person (id, username, version)
    SELECT 'w-' || number, 'writer ' || number, 1 FROM generate_series(0, 4999) AS number;
INSERT INTO conduit_articles.article
    (slug, author_id, title, description, body, tag_list, favorites_count, created_at, updated_at)
    SELECT 's-' || number, CASE WHEN number % 10 = 0 THEN 'u-1' ELSE 'w-' || number % 5000 END, 't', 'd', 'b',
        CASE WHEN number % 2 = 0 THEN ARRAY['even', 't' || number % 300] ELSE ARRAY['odd'] END, 0,
        now() - make_interval(secs => number), now()
    FROM generate_series(1, 40000) AS number;
INSERT INTO conduit_articles.article_tag
    SELECT id, unnest(tag_list), created_at FROM conduit_articles.article;
INSERT INTO conduit_articles.favorite
    SELECT id, 'u-2', created_at FROM conduit_articles.article WHERE id % 300 < 150;
"""


async def test_no_list_reads_more_than_its_indexes_among_many_articles(empty_database_url: str) -> None:
    """Plans made when the tables were empty: forty thousand articles later each still takes a moment."""
    async with world(empty_database_url, FakeAuth()) as here:
        everything: list[dict[str, Any]] = [
            {"author": author, "tag": tag, "favorited": fan}
            for author in (None, "ann")
            for tag in (None, "even", "t30")
            for fan in (None, "bob")
        ]
        await here.run("SET plan_cache_mode = force_generic_plan")
        for asked in everything:
            await here.page(**asked)
        await feed(here, ["u-1"])
        await here.ask(GET_TAGS, None)
        plans = [plan async for plan in kept_plans(here)]
        assert {name for plan in plans for name in scanned(plan)} >= GROWING - {"comment"}
        assert [kind for plan in plans for kind in full_reads(plan)] == []
        await here.run(SEED)
        for asked in everything:
            page = await here.page(**asked)
            assert page.articles_count >= len(page.articles) == 20
        assert (await here.page()).articles_count == 10_000
        assert (await here.page(author="ann")).articles_count == 4_000
        assert (await here.page(author="ann", tag="odd")).articles_count == 0
        assert slugs(await here.page(offset=39_999)) == ["s-40000"]
        followed = [f"w-{number}" for number in range(MAX_FOLLOWED)]
        assert (await feed(here, followed, limit=100)).articles_count == 10_000
        assert (await here.ask(GET_TAGS, None))[:2] == ["even", "odd"]


async def test_a_page_is_never_too_large_for_a_reply(empty_database_url: str) -> None:
    """It has fewer articles than asked for rather than none; the next page begins behind the last of it."""
    async with world(empty_database_url) as here:
        await here.write()
        await here.run("""
            UPDATE conduit_articles.person SET bio = repeat(chr(1), 5000) WHERE id = 'u-1';
            INSERT INTO conduit_articles.article (slug, author_id, title, description, body, tag_list,
                favorites_count, created_at, updated_at)
            SELECT 'l-' || number, 'u-1', 't', 'd', 'b', '{}', 0,
                now() - make_interval(secs => number), now() FROM generate_series(1, 50) AS number
        """)
        page = await here.page(limit=100)
        assert page.articles_count == 51
        assert 20 < len(page.articles) < 40
        following = await here.page(limit=100, offset=len(page.articles))
        assert len({*slugs(page), *slugs(following)}) == len(page.articles) + len(following.articles)


async def kept_plans(here: World) -> Any:
    """The plans that the reads' connections keep."""
    async with here.container.engine().connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        kept = await driver.fetch(
            "SELECT name, statement, cardinality(parameter_types) AS parameters FROM pg_prepared_statements"
        )
        for name, statement, parameters in kept:
            if not any(f".{table}" in statement for table in GROWING):
                continue
            values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
            told = await driver.fetchval(f'EXPLAIN (FORMAT JSON) EXECUTE "{name}"{values}')
            yield (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def scanned(plan: Any) -> set[str]:
    return {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node}


def full_reads(plan: Any, *, is_bounded: bool = False) -> Iterator[str]:
    """Scans of a whole table, or of a whole index without a bound."""
    kind = plan["Node Type"]
    if kind == "Seq Scan" and plan["Relation Name"] in GROWING:
        yield f"{kind} on {plan['Relation Name']}"
    if "Index" in kind and not plan.get("Index Cond") and not is_bounded:
        yield f"{kind} of all of {plan['Index Name']}"
    for below in plan.get("Plans", ()):
        yield from full_reads(below, is_bounded=is_bounded or kind == "Limit")
