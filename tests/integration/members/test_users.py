"""The Member API over HTTP on a real database, without Kafka: who is called what, and who says so."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from kits.web.documents.openapi import openapi_document
from services.members.main import create_app
from tests.integration.api.bad_input import BadRequest, bad_requests
from tests.integration.api.raw import exchange, message
from tests.integration.api_process import a_token
from tests.integration.members.harness import MemberApi, container_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAFF = f"Bearer {a_token('staff', 'members:write')}"
DOCUMENT: Any = openapi_document(create_app(container_of("postgresql://nobody@127.0.0.1:1/none")))
# Here they are ids like any other.
BAD = [one for one in bad_requests(DOCUMENT, STAFF) if not one.fault.startswith("user_id=999")]
NEVER = "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91"


def new_id() -> str:
    """Of no other test."""
    return f"m-{uuid.uuid4().hex[:12]}"


async def events_of(members: MemberApi, member_id: str) -> list[tuple[Any, ...]]:
    """Key and number of what waits for Kafka."""
    query = "SELECT key, number FROM member_event WHERE member_id = :id ORDER BY key, number"
    return await members.rows(query, id=member_id)


async def test_a_member_is_made_changed_and_shown(members: MemberApi) -> None:
    """With its version as ETag, and two events for each change."""
    one = new_id()
    made = await members.put(one, "길동", "홍")
    assert (made.status, made.headers["etag"], made.headers["location"]) == (201, '"1"', f"/users/{one}")
    changed = await members.put(one, "Grace", "Hopper")
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    assert "location" not in changed.headers
    shown = await members.get(f"/users/{one}")
    assert (shown.status, shown.headers["etag"], shown.json) == (200, '"2"', changed.json)
    moment = shown.json.pop("updatedAt")
    assert shown.json | {"updatedAt": moment} == {
        "id": one,
        "firstName": "Grace",
        "lastName": "Hopper",
        "name": "Hopper Grace",
        "version": 2,
        "updatedAt": moment,
    }
    assert await events_of(members, one) == [(f"{v}:{one}", n) for v in ("v1", "v2") for n in (1, 2)]


async def test_the_same_names_again_change_nothing(members: MemberApi) -> None:
    """A request may be repeated: no version, no event, no other moment."""
    one = new_id()
    made = await members.put(one, "Grace", "")
    again = await members.put(one, "Grace", "")
    assert (again.status, again.json) == (200, made.json)
    assert len(await events_of(members, one)) == 2


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', "*", '"7", "1"'])
async def test_who_knows_a_member_is_not_told_again(members: MemberApi, tags: str) -> None:
    one = new_id()
    await members.put(one, "Grace", "Hopper")
    reply = await members.get(f"/users/{one}", if_none_match=tags)
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", '"1"')


@pytest.mark.parametrize(
    ("tags", "status"),
    [('"1"', 200), ("*", 200), ('"7", "1"', 200), ('"2"', 412), ('W/"1"', 412), ('"a"', 412), ("1", 422)],
)
async def test_a_change_may_ask_for_a_version(members: MemberApi, tags: str, status: int) -> None:
    """Who has another one in mind changes nothing, and hears which one it is at."""
    one = new_id()
    await members.put(one, "Grace", "Hopper")
    reply = await members.put(one, "Grace Brewster", "Hopper", if_match=tags)
    assert reply.status == status
    if status == 412:
        assert (reply.problem()["code"], reply.json["version"]) == ("precondition_failed", 1)
    version = (await members.get(f"/users/{one}")).json["version"]
    assert version == (2 if status == 200 else 1)


@pytest.mark.parametrize("tags", ['"1"', "*"])
async def test_a_change_of_what_is_not_there_makes_nothing(members: MemberApi, tags: str) -> None:
    """`*` asks that there is one (RFC 9110, 13.1.1)."""
    one = new_id()
    reply = await members.put(one, "Grace", "Hopper", if_match=tags)
    assert (reply.status, reply.problem()["code"]) == (412, "precondition_failed")
    assert (await members.get(f"/users/{one}")).status == 404


@pytest.mark.parametrize("path", [NEVER, "a" * 65, "%00", "%ff", "a%20b", "m-1%0a", "%EA%B8%B8"])
async def test_who_is_no_member_is_not_found(members: MemberApi, path: str) -> None:
    reply = await members.get(f"/users/{path}")
    assert (reply.status, reply.problem()["code"]) == (404, "member_not_found")


async def test_only_the_member_or_who_keeps_members_may_change_one(members: MemberApi) -> None:
    """Anybody may look."""
    one, body = new_id(), b'{"firstName":"Grace","lastName":"Hopper"}'
    for authorization, status, code in (
        ("", 401, "invalid_token"),
        ("Bearer abc", 401, "invalid_token"),
        (f"Bearer {a_token('somebody')}", 403, "forbidden"),
        (f"Bearer {a_token('somebody', 'orders:fulfil')}", 403, "forbidden"),
    ):
        reply = await members.send(one, body, authorization=authorization)
        assert (reply.status, reply.problem()["code"]) == (status, code)
    nobody = message("PUT", f"/users/{one}", body, content_type="application/json")
    assert (await exchange(members.port, nobody)).problem()["code"] == "unauthenticated"
    assert (await members.get(f"/users/{one}")).status == 404
    assert (await members.send(one, body, authorization=STAFF)).status == 201


async def test_an_id_that_no_member_can_have_is_refused(members: MemberApi) -> None:
    """To whoever may make members; to others it is somebody else's."""
    body = b'{"firstName":"Grace","lastName":"Hopper"}'
    for member_id in ("a%20b", "a" * 65, "%EA%B8%B8"):
        reply = await members.send(member_id, body, authorization=STAFF)
        assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
        assert reply.json["errors"][0]["parameter"] == "user_id"


@pytest.mark.parametrize("member_id", ["!#$&'()*+,;=:@", "a?b#c%d", "<b>\"'`{}|^\\"])
async def test_every_visible_character_may_stand_in_an_id(members: MemberApi, member_id: str) -> None:
    """The address in Location leads back to it."""
    body = b'{"firstName":"Grace","lastName":"Hopper"}'
    path = "".join(f"%{each:02X}" for each in member_id.encode())
    sent = message("PUT", f"/users/{path}", body, content_type="application/json", authorization=STAFF)
    made = await exchange(members.port, sent)
    assert (made.status, made.json["id"]) == (201, member_id)
    assert (await members.get(made.headers["location"])).json["id"] == member_id


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"firstName": "", "lastName": ""}, "#"),
        ({"firstName": " ", "lastName": "\u00a0"}, "#"),
        ({"firstName": "a" * 101, "lastName": "b"}, "#/firstName"),
        ({"firstName": "a", "lastName": "b\u0000"}, "#/lastName"),
        ({"firstName": "a\n", "lastName": "b"}, "#/firstName"),
        ({"firstName": "a", "lastName": "\u0085"}, "#/lastName"),
        ({"firstName": "a"}, "#/lastName"),
        ({"firstName": None, "lastName": "b"}, "#/firstName"),
        ({"firstName": "a", "lastName": "b", "nick": "c"}, "#/nick"),
    ],
)
async def test_names_that_break_a_rule_are_refused_with_their_place(
    members: MemberApi, body: dict[str, Any], pointer: str
) -> None:
    """Nothing is stored."""
    one = new_id()
    reply = await members.send(one, json.dumps(body).encode())
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
    assert reply.json["errors"][0]["pointer"] == pointer
    assert (await members.get(f"/users/{one}")).status == 404


@pytest.mark.parametrize(
    ("first", "last"), [("a" * 100, "b" * 100), ("", "가" * 100), ("O\u2019Neil\u200d", " "), ("👩‍🚀", "")]
)
async def test_names_may_be_long_foreign_or_one_of_two(members: MemberApi, first: str, last: str) -> None:
    """What comes back is what was sent, character by character."""
    one = new_id()
    reply = await members.put(one, first, last)
    assert (reply.status, reply.json["firstName"], reply.json["lastName"]) == (201, first, last)


@pytest.mark.parametrize("bad", BAD, ids=str)
async def test_bad_input_gets_a_clean_refusal_at_every_door(members: MemberApi, bad: BadRequest) -> None:
    """And does nothing."""
    reply = await exchange(members.port, bad.sent)
    assert 400 <= reply.status < 500, reply
    reply.problem()
    if bad.in_body:
        assert reply.status in {400, 413, 415, 422}
    assert (await members.get(f"/users/{NEVER}")).status == 404


async def test_every_door_gets_bad_input() -> None:
    """A generator that finds nothing proves nothing."""
    doors = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert sorted(doors) == ["GET /users/{user_id}", "PUT /users/{user_id}"]
    assert min(sum(bad.door == door for bad in BAD) for door in doors) >= 7
    assert sum(bad.in_body for bad in BAD) >= 40


async def test_changes_at_once_come_one_after_the_other(members: MemberApi) -> None:
    """One of them makes the member; no version is lost, and each has its events."""
    one = new_id()
    replies = await asyncio.gather(*(members.put(one, f"Name {n}", "Hopper") for n in range(12)))
    assert sorted(reply.status for reply in replies) == [200] * 11 + [201]
    assert sorted(reply.json["version"] for reply in replies) == list(range(1, 13))
    assert await events_of(members, one) == [(f"{v}:{one}", n) for v in ("v1", "v2") for n in range(1, 13)]


async def test_of_changes_at_once_that_ask_for_one_version_one_succeeds(members: MemberApi) -> None:
    one = new_id()
    await members.put(one, "Grace", "Hopper")
    replies = await asyncio.gather(
        *(members.put(one, f"Name {n}", "Hopper", if_match='"1"') for n in range(8))
    )
    assert sorted(reply.status for reply in replies) == [200] + [412] * 7
    assert (await members.get(f"/users/{one}")).json["version"] == 2


async def test_without_kafka_the_service_is_degraded_and_says_what_goes_on(members: MemberApi) -> None:
    """Its probes and metrics are on a port of their own."""
    report = (await exchange(members.ops_port, message("GET", "/readyz"))).json
    assert report["status"] == "degraded"
    assert "members are changed, their events wait" in str(report)
    metrics = (await exchange(members.ops_port, message("GET", "/metrics"))).body.decode()
    assert 'member_changes_total{outcome="created"}' in metrics
    assert 'queue_waiting{queue="outbox"}' in metrics
    assert (await members.get("/readyz")).status == 404


async def test_an_address_has_its_methods_and_no_others(members: MemberApi) -> None:
    """Whoever asks for them needs no token."""
    one = new_id()
    await members.put(one, "Grace", "Hopper")
    for method, status in (("OPTIONS", 204), ("POST", 405), ("DELETE", 405)):
        reply = await exchange(members.port, message(method, f"/users/{one}"))
        assert (reply.status, reply.headers["allow"]) == (status, "GET, HEAD, OPTIONS, PUT")
    head = await exchange(members.port, message("HEAD", f"/users/{one}"))
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", '"1"')
    for path in ("/users", "/users/", f"/users/{one}/names", "/"):
        assert (await members.get(path)).problem()["code"] == "not_found"


async def test_the_doors_are_documented(members: MemberApi) -> None:
    """For everybody, and every code that they answer has its explanation."""
    page = await members.get("/docs")
    assert (page.status, b"Member API" in page.body) == (200, True)
    shown = (await members.get("/docs/openapi.json")).json
    assert shown["paths"].keys() == DOCUMENT["paths"].keys()
    assert b"member_not_found" in (await members.get("/docs/problems")).body
