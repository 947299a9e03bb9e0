"""Members that stand twice are found, whatever else stands in the body."""

import json
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kits.web.doors.json_body import JsonBody
from kits.web.problems.details import ProblemError


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An item."""

    name: str
    note: str | None = None


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body of texts."""

    items: Annotated[list[Item], msgspec.Meta(max_length=5)] = []
    title: str | None = None


class Strict(msgspec.Struct, frozen=True):
    """Its fields that may be left out become null, and it takes unknown ones."""

    items: list[Item]
    title: str | None = None


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[],"items":[]}',
        b'{"items":[{"name":"a","name":"b"}]}',
        b'{"items":[{"name":"a","name":"a"}]}',
        b'{"items":[{"name":"a","n\\u0061me":"b"}]}',
        b'{"items":[{"name":"a","\\u006e\\u0061\\u006d\\u0065":"b"}]}',
        b'{"items":[{"name":"\\u003a","name":"b"}]}',
        b'{"items":[{"name":"a","note":null,"note":null}]}',
        b'{"items":[{"name":"a:null","name":"a"}]}',
        b'{"title":"a","items":[],"title":"b"}',
        b'{"items":[],"title":"x","title" :\n"x:null"}',
        b'{"items":[{"name":"a"},{"name":"a","note":"b","note":"c"}],"title":null}',
    ],
)
@pytest.mark.parametrize("kind", [Body, Strict])
def test_a_member_that_stands_twice_is_refused(body: bytes, kind: type[msgspec.Struct]) -> None:
    with pytest.raises(ProblemError) as refused:
        JsonBody(kind).decode(body)
    assert refused.value.code == "malformed_body"
    assert "stands twice in one object" in str(refused.value)


def test_it_is_found_in_what_nobody_asked_for_too() -> None:
    with pytest.raises(ProblemError):
        JsonBody(Strict).decode(b'{"items":[],"more":[{"deep":{"a":1,"a":2}}]}')


texts = st.none() | st.text(alphabet=':"\\nul,{}[]é ', max_size=6)


@given(
    names=st.lists(st.tuples(texts.filter(lambda text: text is not None), texts), max_size=3),
    title=texts,
    escaped=st.booleans(),
)
def test_texts_are_no_members_whatever_stands_in_them(
    names: list[tuple[str, str | None]], title: str | None, *, escaped: bool
) -> None:
    """Colons, quotes and escapes inside of texts; null where a field may be left out."""
    given = {"items": [{"name": name, "note": note} for name, note in names], "title": title}
    body = json.dumps(given, ensure_ascii=escaped).encode()
    for kind in (Body, Strict):
        assert msgspec.to_builtins(JsonBody(kind).decode(body)) == given


@given(names=st.lists(st.tuples(texts, texts), min_size=1, max_size=3), escaped=st.booleans())
def test_a_repeat_is_found_whatever_stands_in_the_texts(
    names: list[tuple[str | None, str | None]], *, escaped: bool
) -> None:
    """The second spelling of a name stands beside texts that look like members, or lack a colon."""
    items = [{"name": name or "", "note": note} for name, note in names]
    body = f'{{"items":{json.dumps(items, ensure_ascii=escaped)},"items":[]}}'.encode()
    for kind in (Body, Strict):
        with pytest.raises(ProblemError) as refused:
            JsonBody(kind).decode(body)
        assert refused.value.code == "malformed_body"


def test_very_long_numbers_are_no_trouble_for_the_second_reading() -> None:
    body = b'{"items":[],"title":"\\u0061","more":' + b"9" * 60_000 + b"}"
    assert JsonBody(Strict).decode(body) == Strict(items=[], title="a")
