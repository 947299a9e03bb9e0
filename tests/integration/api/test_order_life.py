"""Payment, cancellation and fulfilment of an order, and the list of one's own, over a real socket."""

import pytest

from app.application.commands import PayOrder
from app.application.errors import StorageUnavailableError
from app.domain.payment import Payment
from kits.observability.traces import trace_id
from tests.integration.api.conftest import Shop, a_served_shop
from tests.integration.api.raw import Reply, message
from tests.unit.api.in_memory_shop import a_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = b'{"items":[{"productId":"p-1","quantity":2}]}'
STAFF = f"Bearer {a_token('staff', scopes=['orders:read', 'orders:fulfil'])}"
PAYER = f"Bearer {a_token('psp-1', scopes=['orders:pay'])}"
PAYMENT = b'{"reference":"pay-1","amount":30000,"currency":"KRW"}'
STEPS = ["payment", "cancellation", "fulfilment"]


async def placed(shop: Shop) -> str:
    """The address of a new order."""
    return (await shop.order(ORDER)).headers["location"]


async def step(shop: Shop, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """POST by whom the step belongs to, unless another token is given; a payment is of the order's total."""
    name = path.rpartition("/")[2]
    tokens = {"payment": PAYER, "fulfilment": STAFF}
    named = {"authorization": tokens.get(name, f"Bearer {shop.token}"), "content_type": "application/json"}
    sent = body if body is not None else PAYMENT if name == "payment" else b""
    return await shop.send(message("POST", path, sent, **named | headers))


async def test_a_payment_answers_with_the_order_and_its_new_version(shop: Shop) -> None:
    address = await placed(shop)
    reply = await step(shop, f"{address}/payment")
    assert (reply.status, reply.headers["etag"]) == (200, '"2"')
    assert (reply.json["status"], reply.json["version"]) == ("PAID", 2)
    shown = await shop.get(address)
    assert (shown.json, shown.headers["etag"]) == (reply.json, '"2"')


async def test_an_order_is_paid_and_then_fulfilled_by_somebody_with_the_scope(shop: Shop) -> None:
    address = await placed(shop)
    await step(shop, f"{address}/payment")
    reply = await step(shop, f"{address}/fulfilment")
    assert (reply.status, reply.json["status"], reply.headers["etag"]) == (200, "FULFILLED", '"3"')


async def test_a_cancelled_order_can_be_paid_no_more_and_says_where_it_stands(shop: Shop) -> None:
    address = await placed(shop)
    assert (await step(shop, f"{address}/cancellation")).json["status"] == "CANCELLED"
    reply = await step(shop, f"{address}/payment")
    problem = reply.problem()
    assert (reply.status, problem["code"], problem["current"]) == (409, "invalid_transition", "CANCELLED")


@pytest.mark.parametrize(("name", "scope"), [("fulfilment", "orders:fulfil"), ("payment", "orders:pay")])
async def test_without_the_scope_there_is_no_such_step_and_nobody_learns_of_an_order(
    shop: Shop, name: str, scope: str
) -> None:
    tokens = {f"Bearer {shop.token}", PAYER, STAFF} - {PAYER if name == "payment" else STAFF}
    for address in (await placed(shop), "/orders/019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91", "/orders/x"):
        for token in tokens:
            for body in (b"", PAYMENT, b"{"):
                reply = await step(shop, f"{address}/{name}", body, authorization=token)
                assert (reply.status, reply.problem()["code"]) == (403, "forbidden")
                challenge = f'error="insufficient_scope", scope="{scope}"'
                assert challenge in reply.headers["www-authenticate"]
    assert shop.behind.changes == []


async def test_another_customers_order_is_not_found_whatever_the_scope(shop: Shop) -> None:
    address = await placed(shop)
    for token in (f"Bearer {a_token('c-2')}", STAFF, PAYER):
        reply = await step(shop, f"{address}/cancellation", authorization=token)
        assert (reply.status, reply.problem()["code"]) == (404, "order_not_found")
    assert (await shop.get(address)).json["status"] == "PENDING"


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("order_id", ["x", "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91", "%00", "..%2fx"])
async def test_an_order_that_does_not_exist_is_not_found(shop: Shop, name: str, order_id: str) -> None:
    reply = await step(shop, f"/orders/{order_id}/{name}")
    assert reply.status == 404
    reply.problem()


@pytest.mark.parametrize("name", STEPS)
async def test_without_a_token_there_is_no_step(shop: Shop, name: str) -> None:
    reply = await shop.send(message("POST", f"/orders/x/{name}"))
    assert (reply.status, reply.problem()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("tags", ['"1"', '"7", "1"', '"7" ,"1"', "*", 'W/"7", "1"'])
async def test_if_match_with_the_current_version_lets_the_order_go_on(shop: Shop, tags: str) -> None:
    address = await placed(shop)
    assert (await step(shop, f"{address}/payment", if_match=tags)).status == 200


@pytest.mark.parametrize("tags", ['"2"', '""', 'W/"1"', '"01"', '"one"', '"9999999999"'])
async def test_if_match_with_another_tag_changes_nothing_and_tells_the_version(shop: Shop, tags: str) -> None:
    address = await placed(shop)
    reply = await step(shop, f"{address}/payment", if_match=tags)
    problem = reply.problem()
    assert (reply.status, problem["code"], problem["version"]) == (412, "precondition_failed", 1)
    assert (await shop.get(address)).json["status"] == "PENDING"


@pytest.mark.parametrize("tags", ["1", '"1', '"1 "', "", '"1" "2"', '*, "1"', '"1",', "\xff"])
async def test_an_if_match_that_is_none_is_refused(shop: Shop, tags: str) -> None:
    address = await placed(shop)
    reply = await step(shop, f"{address}/payment", if_match=tags)
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
    assert reply.json["errors"][0]["parameter"] == "If-Match"
    assert shop.behind.changes == []


async def test_the_change_carries_the_trace_of_its_request(shop: Shop) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await step(shop, f"{await placed(shop)}/payment", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert trace_id(shop.behind.changes[0].traceparent) == trace


async def test_a_repeated_step_says_that_it_is_one(shop: Shop) -> None:
    address = await placed(shop)
    paid = await step(shop, f"{address}/payment", idempotency_key="k-1")
    assert "idempotency-replayed" not in paid.headers
    shop.behind.replayed = shop.behind.orders[address.removeprefix("/orders/")]
    again = await step(shop, f"{address}/payment", idempotency_key="k-1")
    assert (again.status, again.headers["idempotency-replayed"]) == (200, "true")
    assert (again.json, again.headers["etag"]) == (paid.json, '"2"')


@pytest.mark.parametrize("name", STEPS)
async def test_a_key_stands_for_all_that_a_request_says(shop: Shop, name: str) -> None:
    """Order, If-Match and body make another request of it; the rest does not."""
    address = await placed(shop)
    paying = name == "payment"
    body, other = (PAYMENT, PAYMENT.replace(b"pay-1", b"pay-2")) if paying else (b"", b"{}")
    asked: list[tuple[str, bytes, dict[str, str]]] = [
        (address, body, {}),
        (address, body.replace(b":", b" : "), {"if_match": "*", "accept": "text/html"}),
        (address, body, {"if_match": '"1", "2"'}),
        (address, body, {"if_match": 'W/"7", "2" ,"1"'}),
        (address, other, {}),
        (await placed(shop), body.replace(b"pay-1", b"pay-3"), {}),
    ]
    for path, sent, headers in asked:
        await step(shop, f"{path}/{name}", sent, idempotency_key="k-1", **headers)
    keys = [change.idempotency for change in shop.behind.changes]
    assert {key.key for key in keys if key} == {"k-1"}
    first, same, matched, matched_too, *others = [key.request_hash for key in keys if key]
    assert (first, matched) == (same, matched_too)
    assert len({first, matched, *others}) == 4
    callers = {"payment": "psp-1", "cancellation": "c-1", "fulfilment": "staff"}
    assert {change.caller_id for change in shop.behind.changes} == {callers[name]}


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "\xe9"])
async def test_a_key_that_is_none_is_refused_at_every_step(shop: Shop, key: str) -> None:
    reply = await step(shop, f"{await placed(shop)}/payment", idempotency_key=key)
    assert (reply.status, reply.json["errors"][0]["header"]) == (422, "Idempotency-Key")
    assert shop.behind.changes == []


async def test_a_body_that_nobody_asked_for_is_not_looked_at(shop: Shop) -> None:
    reply = await step(shop, f"{await placed(shop)}/cancellation", b"{", content_type="text/plain")
    assert reply.status == 200


async def test_a_payment_is_of_its_provider_whose_name_is_the_tokens(shop: Shop) -> None:
    """For the order of any customer."""
    order = await shop.order(ORDER, authorization=f"Bearer {a_token('c-2')}")
    reply = await step(shop, f"{order.headers['location']}/payment")
    assert (reply.status, reply.json["status"]) == (200, "PAID")
    (change,) = shop.behind.changes
    assert isinstance(change, PayOrder)
    assert (change.customer_id, change.payment) == (None, Payment("psp-1", "pay-1", 30_000, "KRW"))


async def test_where_it_is_allowed_a_customer_pays_without_a_body_and_nobody_elses_order() -> None:
    async with a_served_shop(self_pay=True) as shop:
        address, customer = await placed(shop), f"Bearer {shop.token}"
        told = await step(shop, f"{address}/payment", authorization=customer)
        assert (told.status, told.problem()["scope"]) == (403, "orders:pay")
        stranger = f"Bearer {a_token('c-2')}"
        hidden = await step(shop, f"{address}/payment", b"", authorization=stranger)
        assert hidden.status == 404
        paid = await step(shop, f"{address}/payment", b"", authorization=customer, idempotency_key="k-1")
        assert paid.status == 200
        reply = await step(shop, f"{address}/payment", b"", authorization=customer, idempotency_key="k-1")
        assert (reply.json["status"], reply.headers["idempotency-replayed"]) == ("PAID", "true")
        other = await placed(shop)
        assert (await step(shop, f"{other}/payment")).status == 200


async def test_the_same_payment_again_says_that_it_is_a_replay(shop: Shop) -> None:
    address = await placed(shop)
    paid = await step(shop, f"{address}/payment")
    await step(shop, f"{address}/fulfilment")
    again = await step(shop, f"{address}/payment")
    assert (again.status, again.headers["idempotency-replayed"]) == (200, "true")
    assert (again.json, again.headers["etag"]) == (paid.json, '"2"')


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        (b'{"reference":"r","amount":29999,"currency":"KRW"}', (29_999, "KRW")),
        (b'{"reference":"r","amount":0,"currency":"KRW"}', (0, "KRW")),
        (b'{"reference":"r","amount":30000,"currency":"USD"}', (30_000, "USD")),
    ],
)
async def test_a_payment_of_another_amount_is_refused_with_both_values(
    shop: Shop, body: bytes, facts: tuple[int, str]
) -> None:
    reply = await step(shop, f"{await placed(shop)}/payment", body)
    problem = reply.problem()
    assert (reply.status, problem["code"]) == (422, "payment_amount_mismatch")
    assert (problem["total"], problem["currency"]) == (30_000, "KRW")
    assert (problem["amount"], problem["sentCurrency"]) == facts


async def test_a_reference_of_another_order_is_refused(shop: Shop) -> None:
    await step(shop, f"{await placed(shop)}/payment")
    address = await placed(shop)
    reply = await step(shop, f"{address}/payment")
    assert (reply.status, reply.problem()["code"]) == (409, "payment_reference_used")
    assert (await shop.get(address)).json["status"] == "PENDING"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{}", 422),
        (b'{"reference":"","amount":30000,"currency":"KRW"}', 422),
        (b'{"reference":"a b","amount":30000,"currency":"KRW"}', 422),
        (b'{"reference":"\\u00e9","amount":30000,"currency":"KRW"}', 422),
        (b'{"reference":"' + b"r" * 129 + b'","amount":30000,"currency":"KRW"}', 422),
        (b'{"reference":"r","amount":-1,"currency":"KRW"}', 422),
        (b'{"reference":"r","amount":30000.0,"currency":"KRW"}', 422),
        (b'{"reference":"r","amount":"30000","currency":"KRW"}', 422),
        (b'{"reference":"r","amount":30000,"currency":"krw"}', 422),
        (b'{"reference":"r","amount":30000,"currency":"KRW","provider":"psp-2"}', 422),
        (b'{"reference":"r","reference":"r","amount":30000,"currency":"KRW"}', 400),
    ],
)
async def test_a_payment_that_breaks_a_rule_is_none(shop: Shop, body: bytes, status: int) -> None:
    reply = await step(shop, f"{await placed(shop)}/payment", body)
    assert reply.status == status
    assert reply.problem()["code"] == ("malformed_body" if status == 400 else "invalid_request")
    assert shop.behind.changes == []


async def test_a_database_that_is_away_is_a_503_that_may_be_tried_again(shop: Shop) -> None:
    address = await placed(shop)
    shop.behind.failure = StorageUnavailableError("The database is away.")
    reply = await step(shop, f"{address}/payment")
    assert (reply.status, reply.problem()["code"]) == (503, "storage_unavailable")
    assert reply.headers["retry-after"] == "1"


async def test_ones_own_orders_are_listed_page_by_page_newest_first(shop: Shop) -> None:
    addresses = [await placed(shop) for _ in range(5)]
    await shop.order(ORDER, authorization=f"Bearer {a_token('c-2')}")
    seen: list[str] = []
    cursor = ""
    while True:
        reply = await shop.get(f"/orders?limit=2{cursor}")
        assert reply.headers["cache-control"] == "private, no-cache"
        page = reply.json
        seen += [order["links"]["self"] for order in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
        await placed(shop)
    assert seen == addresses[::-1]


async def test_a_customer_without_orders_has_an_empty_list(shop: Shop) -> None:
    reply = await shop.get("/orders")
    assert (reply.status, reply.json) == (200, {"items": [], "next": None})


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=", "cursor=cC0x", "cursor=%ff"])
async def test_a_query_that_breaks_a_rule_names_its_parameter(shop: Shop, query: str) -> None:
    reply = await shop.get(f"/orders?{query}")
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
