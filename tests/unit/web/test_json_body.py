"""JSON bodies: every fault gets a code and a place."""

from typing import Annotated

import msgspec
import pytest

from kits.web.doors.json_body import JsonBody, field_error, require_json
from kits.web.problems.details import ProblemError


class Item(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An item."""

    product_id: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+(?![\s\S])")]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=100)]


BODY = JsonBody(Body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"null", "#"),
        (b"[]", "#"),
        (b"{}", "#/items"),
        (b'{"items":[],"x/~":1}', "#/items"),
        (b'{"items":[{"productId":"a","quantity":1}],"x/~y":1}', "#/x~1~0y"),
        (b'{"items":[{"productId":"a"}]}', "#/items/0/quantity"),
        (
            b'{"items":[{"productId":"a","quantity":1},{"productId":"a\\n","quantity":1}]}',
            "#/items/1/productId",
        ),
        (b'{"items":[{"productId":"a\\u0000","quantity":1}]}', "#/items/0/productId"),
        (b'{"items":[{"productId":"a","quantity":"1"}]}', "#/items/0/quantity"),
        (b'{"items":[{"productId":"a","quantity":true}]}', "#/items/0/quantity"),
        (b'{"items":[{"productId":"a","quantity":1.5}]}', "#/items/0/quantity"),
        (b'{"items":[{"productId":"a","quantity":0}]}', "#/items/0/quantity"),
        (b'{"items":[{"productId":"a","quantity":' + b"9" * 27 + b"}]}", "#/items/0/quantity"),
        (b'{"items":[{"productId":"a","quantity":1e400}]}', "#/items/0/quantity"),
        (b'{"items":' + b"[" * 60_000, "#/items/0"),
        (b'{"x":' + b"[" * 60_000, "#/x"),
    ],
)
def test_a_broken_rule_points_at_its_field(body: bytes, pointer: str) -> None:
    with pytest.raises(ProblemError) as refused:
        BODY.decode(body)
    assert refused.value.code == "invalid_request"
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"items":[{"productId":"\xff\xfe","quantity":1}]}',
        b'{"items":[{"productId":"\\ud800","quantity":1}]}',
        b'{"items":[{"productId":"a","quantity":1}]} x',
        b'{"items":[{"productId":"a","quantity":NaN}]}',
        b'{"items":[{"productId":"a","quantity":01}]}',
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(ProblemError) as refused:
        BODY.decode(body)
    assert refused.value.code == "malformed_body"


def test_a_field_named_like_a_place_cannot_move_the_pointer_out_of_its_object() -> None:
    error = field_error("Object contains unknown field `a` - at `$.b` - at `$.items[3]`")
    assert error.pointer == "#/items/3/a` - at `$.b"


@pytest.mark.parametrize(
    "value",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8", b"application/json ;x"],
)
def test_json_is_taken_with_any_parameter(value: bytes) -> None:
    require_json([(b"content-type", value), (b"content-encoding", b"identity")])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/jsonx")],
        [(b"content-type", b"application/json"), (b"content-type", b"text/plain")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
    ],
)
def test_anything_but_plain_json_is_not_taken(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(ProblemError) as refused:
        require_json(headers)
    assert refused.value.code == "unsupported_media_type"
