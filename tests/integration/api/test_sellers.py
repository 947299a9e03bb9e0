"""The order service as a process, while the Member API is well and while it is not."""

import json
from pathlib import Path

import asyncpg

from chaos.proxy import FaultProxy, Forecast, Weather
from tests.integration.api.raw import Reply, exchange, message
from tests.integration.api_process import ApiProcess, a_token, api_process, run_app
from tests.member_server import member_server
from tests.waiting import eventually

CATALOGUE = b"\n".join(
    json.dumps(
        {"type": "product", "id": f"p-{n}", "name": "Thing", "price": 5, "currency": "KRW", "stock": 9}
        | {"sellerId": f"m-{n}"}
    ).encode()
    for n in range(1, 9)
)


async def source_of(api: ApiProcess, product: int) -> str:
    """Where the name of its seller is from; the answer is 200 in any case."""
    reply = await exchange(api.port, message("GET", f"/items/p-{product}"))
    assert (reply.status, reply.json["seller"]["id"]) == (200, f"m-{product}")
    return str(reply.json["seller"]["source"])


async def order(api: ApiProcess, product: int) -> Reply:
    """Place one."""
    body = json.dumps({"items": [{"productId": f"p-{product}", "quantity": 1}]}).encode()
    token = f"Bearer {a_token('c-1')}"
    sent = message("POST", "/orders", body, content_type="application/json", authorization=token)
    return await exchange(api.port, sent)


async def test_products_are_shown_and_orders_taken_whatever_becomes_of_the_members_service(
    database_url: str, tmp_path: Path
) -> None:
    """Looking at a product never fails for it, and an order never asks it.

    The shop's own copy needs neither it nor Kafka, and says how old it is.
    """
    await run_app(database_url, "catalogue", "import", "-", given=CATALOGUE)
    async with member_server() as members:
        members.names |= {f"m-{n}": f"Member {n}" for n in range(1, 9)}
        proxy = FaultProxy(lambda: members.port)
        await proxy.start()
        address = members.url.replace(str(members.port), str(proxy.port))
        async with api_process(tmp_path, database_url, MEMBER_API_URL=address) as api:
            assert await eventually(lambda: is_cached(api, 1))
            seen = len(members.seen)
            assert (await order(api, 2)).status == 202
            proxy.change(Forecast(Weather.BLACK_HOLE))
            assert [await source_of(api, n) for n in range(2, 9)] == ["fallback"] * 7
            await replicate(database_url)
            copied = await exchange(api.port, message("GET", "/products/p-8"))
            assert copied.json["seller"] == {
                "id": "m-8", "name": "Kept", "source": "replica", "asOf": "2020-02-02T02:02:02Z",
            }  # fmt: skip
            assert (await order(api, 3)).status == 202
            assert await source_of(api, 1) == "cache"
            assert (await exchange(api.port, message("GET", "/products"))).status == 200
            ready = await exchange(api.ops_port, message("GET", "/readyz"))
            assert (ready.status, ready.json["checks"]["member_api"]["status"]) == (200, "degraded")
            assert len(members.seen) == seen
        await proxy.stop()


async def replicate(database_url: str) -> None:
    """As the group left it before Kafka went away, which it is for this process."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO member_replica VALUES ('m-8', 'Kept', 1, '2020-02-02T02:02:02Z')")
    await connection.close()


async def is_cached(api: ApiProcess, product: int) -> bool:
    """Asked for before; a busy machine may need more than one look."""
    return await source_of(api, product) == "cache"
