"""What travels: objects and arrays as JSON, everything else as plain text, None as nothing."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kits.rpc.patterns import Event, Pattern
from kits.rpc.values import Shape, UnreadableValueError


class Colour(Enum):
    """A word."""

    RED = "red"


class Point(msgspec.Struct):
    """An object."""

    x: int
    y: int = 0


@pytest.mark.parametrize(
    ("kind", "value", "data"),
    [
        (Point, Point(1), b'{"x":1,"y":0}'),
        (list[int], [1, 2], b"[1,2]"),
        (dict[str, Any], {"a": None}, b'{"a":null}'),
        (str, "plain", b"plain"),
        (str, '{"not": "an object"}', b'{"not": "an object"}'),
        (str, "42", b"42"),
        (int, 42, b"42"),
        (float, 1.5, b"1.5"),
        (bool, True, b"true"),
        (type(None), None, None),
        (bytes, b"\0\1", b"\0\1"),
        (UUID, UUID(int=1), b"00000000-0000-0000-0000-000000000001"),
        (datetime, datetime(2026, 11, 28, tzinfo=UTC), b"2026-11-28T00:00:00Z"),
        (Colour, Colour.RED, b"red"),
    ],
)
def test_each_kind_of_value_travels_as_nestjs_writes_it(
    kind: type, value: object, data: bytes | None
) -> None:
    shape: Shape[Any] = Shape(kind)
    assert shape.write(value) == data
    assert shape.read(data) == value


@given(st.text(), st.integers(-(2**53), 2**53), st.lists(st.integers(-9, 9)), st.booleans())
def test_what_was_written_is_read_again(text: str, number: int, numbers: list[int], flag: bool) -> None:
    """Also texts that look like something else."""
    assert Shape(str).read(Shape(str).write(text)) == text
    assert Shape(int).read(Shape(int).write(number)) == number
    assert Shape(list[int]).read(Shape(list[int]).write(numbers)) == numbers
    assert Shape(bool).read(Shape(bool).write(flag)) is flag


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (Point, b'{"x":"one"}', "$.x"),
        (Point, b'{"x":1', "$"),
        (Point, b"text", "$"),
        (Point, None, "$"),
        (int, b"many", "$"),
        (int, b"9" * 5_000, "$"),
        (str, b"\xff", "$"),
        (list[Point], b'[{"x":1},{"x":[]}]', "$[1].x"),
    ],
)
def test_bytes_of_another_shape_are_unreadable_and_the_path_says_where(
    kind: type, data: bytes | None, path: str
) -> None:
    with pytest.raises(UnreadableValueError) as error:
        Shape(kind).read(data)
    assert error.value.path == path


@pytest.mark.parametrize("name", ["", ".", "..", "with space", "ä", "a/b", "x" * 250])
def test_a_name_that_cannot_be_a_topic_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a topic"):
        Pattern(name, Point, Point)
    with pytest.raises(ValueError, match="cannot be a topic"):
        Event(name, Point)
