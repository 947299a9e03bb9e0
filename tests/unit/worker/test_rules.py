"""The small rules: seq, offsets, reading a record, pacing, waiting as asked."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kits.kafka.records import TopicPartition
from tests.unit.worker.events import Sample
from worker.data_platform_client import retry_after
from worker.delivery.event import failure, read_event
from worker.delivery.lanes import Lane
from worker.delivery.offsets import OffsetTracker, PartitionOffsets
from worker.delivery.seq import Block, OrderState, Step, judge


@pytest.mark.parametrize(
    ("seq", "last", "blocked", "baseline", "step"),
    [
        (1, 0, None, False, Step.NEXT),
        (1, 0, None, True, Step.NEXT),
        (2, 0, None, False, Step.GAP),
        (2, 0, None, True, Step.BASELINE),
        (3, 3, None, False, Step.REPEAT),
        (2, 3, Block.DEAD, False, Step.REPEAT),
        (4, 3, None, True, Step.NEXT),
        (5, 3, None, True, Step.GAP),
        (4, 3, Block.GAP, False, Step.NEXT),
        (5, 3, Block.GAP, False, Step.HOLD),
        (4, 3, Block.DEAD, False, Step.HOLD),
        (9, 0, Block.GAP, True, Step.HOLD),
        (None, 3, Block.DEAD, False, Step.NEXT),
    ],
)
def test_the_seq_rule(seq: int | None, last: int, blocked: Block | None, baseline: bool, step: Step) -> None:
    """Repeat, next, baseline, gap or hold, from the order's high-water mark alone."""
    assert judge(seq, OrderState(last, blocked), baseline=baseline) is step


@given(st.lists(st.integers(0, 40), unique=True, min_size=1).map(sorted), st.randoms(use_true_random=False))
def test_only_offsets_without_an_unfinished_one_before_them_are_committed(
    offsets: list[int], rng: random.Random
) -> None:
    """Whatever the order of finishing, and whatever holes the log has."""
    tracked = PartitionOffsets(0)
    for offset in offsets:
        assert tracked.received(offset, 1)
    finishing = list(offsets)
    rng.shuffle(finishing)
    open_offsets = set(offsets)
    for offset in finishing:
        tracked.finished(offset)
        open_offsets.discard(offset)
        assert tracked.next_offset == min(open_offsets, default=offsets[-1] + 1)
    assert (tracked.unfinished, tracked.unfinished_bytes) == (0, 0)


def test_a_record_counts_once_in_an_epoch_and_not_at_all_in_another_partition() -> None:
    """A client that hands a record out twice does not make it unfinished twice."""
    tracker = OffsetTracker()
    record = Sample().incoming(7)
    tracker.finished(record)
    tracker.open(TopicPartition(record.topic, 0), 7)
    offsets = tracker.partitions[TopicPartition(record.topic, 0)]
    assert offsets.received(7, 100)
    assert not offsets.received(7, 100)
    tracker.finished(record)
    assert tracker.to_commit() == {TopicPartition(record.topic, 0): 8}
    tracker.committed({TopicPartition(record.topic, 0): 8})
    assert not tracker.to_commit()


def test_an_unreadable_record_is_named_by_its_headers_or_by_its_place() -> None:
    """Without an id it gets one that is the same at every reading."""
    named = read_event(Sample("o-9", 4, event_id="e-9", value=b"\xff").incoming(), epoch=1)
    assert (named.event_id, named.order_id, named.seq) == ("e-9", "o-9", 4)
    bare = Sample(value=b"[]", without=frozenset({"ce_id", "ce_subject", "order_seq"}))
    first, again = (read_event(bare.incoming(3), epoch=epoch) for epoch in (1, 2))
    assert first.event_id == again.event_id
    assert (first.order_id, first.seq) == (None, None)
    assert read_event(bare.incoming(4), epoch=1).event_id != first.event_id


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": b"", "ce_subject": b"", "order_seq": b""},
        {"ce_id": b"a\x00b", "ce_subject": b"\xff", "order_seq": b"-1"},
        {"ce_id": b"a b", "ce_subject": b"x" * 65, "order_seq": b"99999999999"},
        {"ce_id": "ä".encode(), "ce_subject": b"line\n", "order_seq": "١".encode()},
        {"ce_id": b"\r\n", "ce_subject": b"\t", "order_seq": b"0"},
    ],
)
def test_headers_that_are_no_ids_name_nothing(headers: dict[str, bytes]) -> None:
    """What the ledger or an HTTP header could not hold is as good as missing."""
    event = read_event(Sample(value=b"{", headers=headers).incoming(5), epoch=1)
    assert event.event_id.count("-") == 4
    assert (event.order_id, event.seq) == (None, None)


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        (Sample(value=None), "empty_value"),
        (Sample(value=b"\xfe\xff"), "undecodable_value"),
        (Sample(value=b'{"eventId":"e"}'), "undecodable_value"),
        (Sample(version=2), "unknown_version"),
        (Sample(headers={"ce_id": b"another"}), "contradicting_headers"),
        (Sample(headers={"ce_subject": b"another"}), "contradicting_headers"),
        (Sample(headers={"order_seq": b"9"}), "contradicting_headers"),
    ],
)
def test_what_cannot_be_read_says_why(sample: Sample, code: str) -> None:
    """Each reason has a stable code."""
    event = read_event(sample.incoming(), epoch=1)
    assert event.failure is not None
    assert (event.failure.error_class, event.failure.code) == ("unreadable", code)


def test_a_reason_fits_the_ledger_and_a_header() -> None:
    """No NUL, no half characters, at most 1 KiB."""
    message = failure("rejected", "http_422", "\x00ä\ud800" * 900).message
    assert "\x00" not in message
    assert len(message.encode()) <= 1024


def test_events_wait_in_their_lane_until_the_missing_one_is_there() -> None:
    """The one that fills the gap overtakes those that wait, whatever the order of arrival."""
    lane = Lane("o-1")
    lane.adopt(OrderState(1))
    for seq in (4, 3, 5, 2):
        lane.push(read_event(Sample(seq=seq).incoming(), epoch=1))
    taken: list[int | None] = []
    while plan := lane.next(0.0, 30.0):
        taken.append(plan.events[0].seq)
        assert plan.step is Step.NEXT
        assert lane.state is not None
        lane.state.last_seq += 1
    assert taken == [2, 3, 4, 5]


def test_what_waits_for_a_missing_one_is_held_together_after_the_wait() -> None:
    """The wait counts from the first that waits."""
    lane = Lane("o-1")
    lane.adopt(OrderState(1))
    lane.push(read_event(Sample(seq=3).incoming(), epoch=1))
    assert lane.next(0.0, 30.0) is None
    lane.push(read_event(Sample(seq=5).incoming(), epoch=1))
    assert lane.next(29.9, 30.0) is None
    plan = lane.next(30.0, 30.0)
    assert plan is not None
    assert (plan.step, [event.seq for event in plan.events]) == (Step.HOLD, [3, 5])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("soon", None),
        ("١", None),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    """Anything else is as good as missing. The wall clock stands at 10 s."""
    assert retry_after(header, now=10.0) == seconds
