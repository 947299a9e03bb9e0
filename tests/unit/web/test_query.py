"""Query parameters: what a door does not know, or reads in two ways, is refused by name."""

from typing import Annotated, Any

import msgspec
import pytest
from litestar import Litestar, get
from litestar.params import QueryParameter

from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.query import read_query, require_strict_query
from kits.web.problems.details import ProblemError


class Query(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a door asks for."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    last_id: str | None = None
    all_of_them: bool = False


def read(query: str | bytes) -> Query:
    return read_query(query.encode() if isinstance(query, str) else query, Query)


def refused(query: str | bytes) -> list[str | msgspec.UnsetType]:
    with pytest.raises(ProblemError) as error:
        read(query)
    assert error.value.code == "invalid_request"
    return [fault.parameter for fault in error.value.errors]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Query()),
        ("limit=5&lastId=p-1", Query(limit=5, last_id="p-1")),
        ("l%69mit=%35", Query(limit=5)),
        ("&&limit=5&", Query(limit=5)),
        ("lastId=a%20b", Query(last_id="a b")),
        ("lastId=a+b", Query(last_id="a b")),
        ("lastId=null", Query(last_id="null")),
        ("lastId=", Query(last_id="")),
        ("lastId=a=b;c", Query(last_id="a=b;c")),
        ("lastId=%C3%A9", Query(last_id="é")),
        ("allOfThem=true", Query(all_of_them=True)),
    ],
)
def test_what_is_declared_is_read(query: str, expected: Query) -> None:
    assert read(query) == expected


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("status=PAID", ["status"]),
        ("status=", ["status"]),
        ("status", ["status"]),
        ("limit=5&status=PAID&sort=id", ["status", "sort"]),
        ("Limit=5", ["Limit"]),
        ("last_id=p-1", ["last_id"]),
        ("limit%5B%5D=5", ["limit[]"]),
        ("limit%00=5", ["limit\x00"]),
        (" limit=5".replace(" ", "%20"), [" limit"]),
        ("=5", [""]),
        ("=", [""]),
        ("limit=5&limit=5", ["limit"]),
        ("limit=5&l%69mit=6", ["limit"]),
        ("status=PAID&status=PAID", ["status"]),
        ("lastId=a%00b", ["lastId"]),
        ("lastId=a%0Ab", ["lastId"]),
    ],
)
def test_what_is_not_declared_or_sent_twice_is_named(query: str, parameters: list[str]) -> None:
    assert refused(query) == parameters


@pytest.mark.parametrize(
    "value",
    ["5.0", "5e0", "1e1", "05", "+5", "%2B5", "-5", "-0", "0", "101", "5_0", "0x5", "", "five", "９", "5;6"],
)
def test_a_number_has_one_spelling(value: str) -> None:
    assert refused(b"limit=" + "".join(f"%{byte:02X}" for byte in value.encode()).encode()) == ["limit"]


@pytest.mark.parametrize(
    "query",
    ["limit=%", "limit=%5", "limit=%zz", "%=5", "lastId=%ff", "lastId=%C3", "%ff=5", b"lastId=\xc3\xa9"],
)
def test_what_is_no_percent_encoded_utf_8_is_refused(query: str | bytes) -> None:
    assert refused(query) == [""]


def test_a_query_of_very_many_parameters_is_refused_as_a_whole() -> None:
    assert refused("&".join(f"x{number}=1" for number in range(51))) == [""]
    assert len(refused("&".join(f"x{number}=1" for number in range(50)))) == 50


@get("/")
async def echo(
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    last_id: Annotated[str | None, QueryParameter(name="lastId", max_length=9)] = None,
) -> BytesAnswer[list[Any]]:
    """What the framework has read."""
    return json_answer([limit, last_id])


async def asked(query: str) -> tuple[int, Any]:
    """Status and body of a request with this query."""
    app = Litestar([echo], before_request=require_strict_query, openapi_config=None, logging_config=None)
    scope: Any = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": [], "state": {}}
    scope |= {"query_string": query.encode(), "root_path": "", "app": app, "litestar_app": app}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app.asgi_handler(scope, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


@pytest.mark.parametrize(
    ("query", "limit", "last_id"),
    [
        ("", 20, None),
        ("&&", 20, None),
        ("limit=5&lastId=p-1", 5, "p-1"),
        ("l%69mit=%35&&last%49d=%70", 5, "p"),
        ("lastId=", 20, ""),
        ("lastId", 20, ""),
        ("lastId=null", 20, "null"),
        ("lastId=1.0", 20, "1.0"),
        ("lastId=true", 20, "true"),
        ("lastId=a+b%2B", 20, "a b+"),
        ("lastId=a=b;c", 20, "a=b;c"),
        ("lastId=%C3%A9%26", 20, "é&"),
        ("lastId=[1]", 20, "[1]"),
    ],
)
async def test_a_handler_gets_what_was_read_strictly(query: str, limit: int, last_id: str | None) -> None:
    """The framework reads the query once more for it; both readers must agree on what they let through."""
    assert await asked(query) == (200, [limit, last_id])


@pytest.mark.parametrize(
    "query", ["limit=5.0", "limit=0", "limit=", "x=1", "last_id=p", "lastId=0123456789", "limit=1&limit=1"]
)
async def test_a_handler_is_not_asked_when_its_query_breaks_a_rule(query: str) -> None:
    status, _ = await asked(query)
    assert status >= 400
