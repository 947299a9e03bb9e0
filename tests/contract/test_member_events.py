"""What is told of a member on the wire: two versions beside each other, byte for byte."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import UnreadableEventError
from contracts.json_schemas import schema_file, schema_text
from contracts.member_events import (
    MAX_NAME,
    MEMBER_TOPIC_CONFIG,
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
    SCHEMAS,
    MemberState,
    MemberUpdatedV1,
    MemberUpdatedV2,
    encode,
    event_id,
    full_name,
    headers_of,
    read_member_event,
)
from tests.contract.golden_files import GOLDEN, MEMBER_EVENTS, TRACEPARENT

CHANGED_AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
NAME_PARTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=MAX_NAME)


def both(first_name: str, last_name: str) -> tuple[MemberUpdatedV1, MemberUpdatedV2]:
    """One change, as each version tells it."""
    old = MemberUpdatedV1(member_id="m-1", name=full_name(first_name, last_name), version=3)
    return old, MemberUpdatedV2(member_id="m-1", first_name=first_name, last_name=last_name, version=3)


@given(NAME_PARTS, NAME_PARTS)
def test_version_1_follows_from_version_2_for_every_name(first_name: str, last_name: str) -> None:
    """A reader of either knows the same of a member, and needs nothing of the other to know it."""
    old, new = both(first_name, last_name)
    states = [
        read_member_event(topic, encode(event), headers_of(topic, "an-id", "m-1", changed_at=CHANGED_AT))
        for topic, event in ((MEMBER_UPDATED_V1, old), (MEMBER_UPDATED_V2, new))
    ]
    name = full_name(first_name, last_name)
    assert states == [MemberState(member_id="m-1", name=name, version=3, changed_at=CHANGED_AT)] * 2
    for topic, event in ((MEMBER_UPDATED_V1, old), (MEMBER_UPDATED_V2, new)):
        if name:
            schema = json.loads(schema_file(topic).read_text(encoding="utf-8"))
            jsonschema.Draft202012Validator(schema).validate(json.loads(encode(event)))


@pytest.mark.parametrize(
    ("first_name", "last_name", "name"),
    [("길동", "홍", "홍 길동"), ("Grace", "", "Grace"), ("", "Plato", "Plato"), ("", "", "")],
)
def test_the_last_name_stands_first(first_name: str, last_name: str, name: str) -> None:
    """One space between the two, and none where one is empty."""
    assert full_name(first_name, last_name) == name


@pytest.mark.parametrize("ce_type", SCHEMAS)
def test_the_bytes_are_those_of_the_golden_file_and_fit_the_committed_schema(ce_type: str) -> None:
    """An optional field more: see golden_files. Any other change breaks a reader: make a new version."""
    golden = (GOLDEN / f"{ce_type}.json").read_bytes().rstrip(b"\n")
    assert encode(MEMBER_EVENTS[ce_type]) == golden
    assert schema_file(ce_type).read_text(encoding="utf-8") == schema_text(ce_type)
    jsonschema.Draft202012Validator(json.loads(schema_text(ce_type))).validate(json.loads(golden))
    assert read_member_event(ce_type, golden, ()).name == "홍 길동"


def test_the_headers_are_cloudevents_in_binary_mode() -> None:
    """A reader can route and deduplicate without opening the body."""
    headers = headers_of(
        MEMBER_UPDATED_V2,
        event_id(MEMBER_UPDATED_V2, "m-1", 3),
        "m-1",
        changed_at=CHANGED_AT,
        traceparent=TRACEPARENT,
    )
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": event_id(MEMBER_UPDATED_V2, "m-1", 3).encode(),
        "ce_source": b"/order-pipeline/members",
        "ce_type": b"member.updated.v2",
        "ce_time": b"2026-11-21T07:00:00.000Z",
        "ce_subject": b"m-1",
        "content-type": b"application/json",
        "traceparent": TRACEPARENT.encode(),
    }


def test_an_event_has_one_id_however_often_it_is_made() -> None:
    """A repeat is dropped by it; another version, member or change has another one."""
    told = [("a", "m", 1), ("a", "m", 2), ("a", "n", 1), ("b", "m", 1)]
    assert len({event_id(*of) for of in told}) == 4
    assert event_id("a", "m", 1) == event_id("a", "m", 1)


def test_the_topics_keep_the_newest_event_of_every_member() -> None:
    """So a copy can be made from the topic at any time."""
    assert MEMBER_TOPIC_CONFIG["cleanup.policy"] == "compact"


@pytest.mark.parametrize("headers", [(), (("ce_time", b"yesterday"),), (("ce_time", b"2026-11-21T07:00"),)])
def test_a_reader_ignores_what_it_does_not_know(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Fields may be added within a version; without a readable time the state has none."""
    value = json.dumps({"memberId": "m-1", "name": "A" * 500, "version": 1, "nick": "a"}).encode()
    state = read_member_event(MEMBER_UPDATED_V1, value, (*headers, ("ce_new", b"x")))
    assert (state.name, state.changed_at) == ("A" * 500, None)


@pytest.mark.parametrize(
    ("value", "headers", "code"),
    [
        pytest.param(None, (), "empty_value", id="null value"),
        pytest.param(b"", (), "undecodable_value", id="no bytes"),
        pytest.param(b"\xff{}", (), "undecodable_value", id="not UTF-8"),
        pytest.param(b"[" * 200_000, (), "undecodable_value", id="deeply nested"),
        pytest.param({"version": 0}, (), "undecodable_value", id="version below one"),
        pytest.param({"version": 2**31}, (), "undecodable_value", id="version that no table takes"),
        pytest.param({"version": True}, (), "undecodable_value", id="version that is no number"),
        pytest.param({"memberId": "a b"}, (), "undecodable_value", id="blank in an id"),
        pytest.param({"memberId": "m" * 65}, (), "undecodable_value", id="long id"),
        pytest.param({"firstName": "a\u0000b"}, (), "undecodable_value", id="NUL in a name"),
        pytest.param({"lastName": "a\n"}, (), "undecodable_value", id="line end in a name"),
        pytest.param({"lastName": None}, (), "undecodable_value", id="null for a name"),
        pytest.param(
            b'{"memberId":"m-1","firstName":"a","lastName":"b","version":1,"version":2}',
            (),
            "repeated_member",
            id="version stands twice",
        ),
        pytest.param({}, (("ce_type", b"member.updated.v1"),), "contradicting_headers", id="another type"),
        pytest.param({}, (("ce_subject", b"m-2"),), "contradicting_headers", id="another member"),
    ],
)
def test_what_cannot_be_understood_says_so_with_a_code(
    value: bytes | dict[str, object] | None, headers: tuple[tuple[str, bytes], ...], code: str
) -> None:
    """Whatever a stranger writes into the topic, a reader gets one kind of error for it."""
    if isinstance(value, dict):
        member = {"memberId": "m-1", "firstName": "a", "lastName": "b", "version": 1}
        value = json.dumps(member | value).encode()
    with pytest.raises(UnreadableEventError) as unreadable:
        read_member_event(MEMBER_UPDATED_V2, value, headers)
    assert unreadable.value.code == code
