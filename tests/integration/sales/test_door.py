"""`GET /sales` on a real database: ranges, pages, refusals; and what a switch between builds shows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from contracts.sales import SalesOfMinuteV1
from services.sales.table.build_registry import BuildError
from tests.conftest import fresh_database
from tests.integration.api.raw import exchange, message
from tests.integration.sales.harness import Service, sales, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(postgres_server_url: str) -> AsyncIterator[Service]:
    """One for all tests of this file; each works with minutes of its own."""
    async for url in fresh_database(postgres_server_url, ""):
        async with serving(url) as running:
            yield running


async def test_a_range_shows_its_minutes_per_currency_in_order(service: Service) -> None:
    """From the minute that `from` lies in to the one before `to`; amounts beyond 64 bits stay exact."""
    await service.write([sales(1, "USD"), sales(1, "EUR", revenue=10**30), sales(2), sales(3)])
    reply = await service.get("?from=2026-11-21T07:01:59Z&to=2026-11-21T07:03:00Z")
    assert reply.status == 200
    first, second = "2026-11-21T07:01:00Z", "2026-11-21T07:02:00Z"
    assert reply.json == {
        "items": [
            {"minute": first, "currency": "EUR", "orders": 1, "pieces": 1, "revenue": 10**30},
            {"minute": first, "currency": "USD", "orders": 1, "pieces": 1, "revenue": 100},
            {"minute": second, "currency": "KRW", "orders": 1, "pieces": 1, "revenue": 100},
        ],
        "next": None,
    }
    shifted = await service.get("?from=2026-11-21T16:01:00%2B09:00&to=2026-11-21T16:03:00%2B09:00")
    assert shifted.json == reply.json


async def test_repeats_and_older_totals_change_nothing(service: Service) -> None:
    """Whatever the order in which they are read: the one with more orders is the newer."""
    for orders in (2, 5, 5, 3, 1):
        await service.write([sales(10, orders=orders, revenue=100 * orders)])
    reply = await service.get("?from=2026-11-21T07:10:00Z&to=2026-11-21T07:11:00Z")
    assert [(each["orders"], each["revenue"]) for each in reply.json["items"]] == [(5, 500)]


async def test_pages_follow_each_other_without_gap_or_repeat(service: Service) -> None:
    """A page has at most 1,000 rows, and may end within a minute."""
    day = [START.replace(year=2020) + timedelta(minutes=number) for number in range(700)]
    rows = [
        SalesOfMinuteV1(minute=f"{at:%Y-%m-%dT%H:%MZ}", currency=currency, orders=1, pieces=1, revenue=1)
        for at in day
        for currency in ("ABC", "~~/", "!!!")
    ]
    await service.write(rows)
    found: list[tuple[str, str]] = []
    cursor, pages = "", 0
    while cursor is not None:
        after = f"&cursor={cursor}" if cursor else ""
        reply = await service.get(f"?from=2020-11-21T00:00:00Z&to=2020-11-22T00:00:00Z{after}")
        assert reply.status == 200, reply
        found += [(each["minute"], each["currency"]) for each in reply.json["items"]]
        cursor, pages = reply.json["next"], pages + 1
    assert (pages, len(found), len(set(found))) == (3, 2100, 2100)
    assert found == sorted(found)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-21T07:02:00Z&to=2026-11-21T07:01:00Z",
        "from=yesterday",
        "from=2026-11-21T07:00:00",
        "from=1763708400",
        "to=1763708400.5",
        "to=0001-01-01T00:00:00%2B14:00",
        "since=2026-11-21T07:00:00Z",
        "from=2026-11-21T07:00:00Z&from=2026-11-21T07:00:00Z",
        "cursor=2026-11-21T07:00Z",
        "cursor=2026-11-21T07:00ZxKRW",
        "cursor=2026-13-21T07:00Z/KRW",
        "cursor=2026-11-21T7:000Z/KRW",
        "cursor=",
        "cursor=%00",
    ],
)
async def test_a_query_that_breaks_a_rule_is_refused_with_the_parameter(service: Service, query: str) -> None:
    problem = (await service.get(f"?{query}")).problem()
    assert (problem["status"], problem["code"]) == (422, "invalid_request")
    assert problem["errors"]


async def test_without_kafka_the_sales_are_shown_and_health_says_that_they_get_old(service: Service) -> None:
    """Degraded, and ready."""
    assert (await service.get()).status == 200
    ready = await exchange(service.ops_port, message("GET", "/readyz"))
    assert (ready.status, ready.json["status"]) == (200, "degraded"), ready


async def test_a_switch_takes_over_what_the_topic_has_forgotten_and_nothing_else(
    postgres_server_url: str,
) -> None:
    """Minutes before the topic is complete come from the former build, unless the new one has more."""
    async for url in fresh_database(postgres_server_url, ""):
        async with serving(url) as own:
            builds = own.container.builds()
            await own.write([sales(0, orders=7), sales(1, orders=5), sales(2, orders=9), sales(3, orders=9)])
            await builds.announce("v2")
            await builds.announce("v2")
            new = [sales(1, orders=2), sales(2, orders=10), sales(3, orders=4)]
            await own.write(new, build="v2")
            assert await builds.switch("v2", complete_from=START + timedelta(minutes=3)) == 2
            reply = await own.get("?from=2026-11-21T07:00:00Z&to=2026-11-21T08:00:00Z")
            assert [each["orders"] for each in reply.json["items"]] == [7, 5, 10, 4]
            with pytest.raises(BuildError, match="not being made"):
                await builds.switch("v2", complete_from=None)
            with pytest.raises(BuildError, match="in force"):
                await builds.remove("v2")
            await builds.remove("v1")
            await builds.remove("v1")
            # A follower that has not heard of it yet brings nothing back.
            await own.write([sales(4)], build="v1", offset=99)
            assert await own.container.store().positions("v1") == {}
            with pytest.raises(BuildError, match="choose another name"):
                await builds.announce("v1")
