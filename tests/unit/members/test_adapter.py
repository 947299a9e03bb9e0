"""One change of a member, told in every version of the contract."""

from datetime import UTC, datetime

import pytest

from contracts.member_events import MEMBER_UPDATED_V1, MEMBER_UPDATED_V2, event_id
from services.members.outbox.events import MemberEvents
from services.members.ports import Member
from tests.contract.golden_files import GOLDEN, TRACEPARENT

MEMBER = Member("m-1", "길동", "홍", 3, datetime(2026, 11, 21, 7, 0, tzinfo=UTC))


def test_a_change_has_an_event_in_each_topic_under_the_same_number() -> None:
    """Each version is a key of its own: one that is held or refused stops no other."""
    told = {item.topic: item for item in MemberEvents(publish_v1=True).of(MEMBER, traceparent=TRACEPARENT)}
    assert told.keys() == {MEMBER_UPDATED_V1, MEMBER_UPDATED_V2}
    assert {item.key for item in told.values()} == {"v1:m-1", "v2:m-1"}
    for topic, item in told.items():
        record = item.record()
        assert (item.number, item.id) == (3, event_id(topic, "m-1", 3))
        assert (record.topic, record.key) == (topic, b"m-1")
        assert record.value == (GOLDEN / f"{topic}.json").read_bytes().rstrip(b"\n")
        assert dict(record.headers)["traceparent"] == TRACEPARENT.encode()
        assert item.names() == {"member_id": "m-1", "event_id": item.id, "version": 3}


def test_version_1_is_retired_by_one_condition() -> None:
    """Version 2 is as it was."""
    (only,) = MemberEvents(publish_v1=False).of(MEMBER)
    assert only in MemberEvents(publish_v1=True).of(MEMBER)
    assert only.topic == MEMBER_UPDATED_V2


@pytest.mark.parametrize("publish_v1", [True, False])
def test_an_event_that_is_made_anew_is_the_same(publish_v1: bool) -> None:
    """Its id follows from the member and its version, so a reader knows it again."""
    events = MemberEvents(publish_v1=publish_v1)
    assert events.of(MEMBER) == events.of(MEMBER)
