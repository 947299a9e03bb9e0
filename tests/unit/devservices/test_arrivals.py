"""How the reference data platform judges what arrives."""

import json

import pytest

from devservices.data_platform.arrivals import Arrivals
from devservices.data_platform.events import OfferedEvent
from devservices.data_platform.problems import Refusal


def event(order_id: str, seq: int) -> OfferedEvent:
    event_id = f"{order_id}-{seq}"
    body = json.dumps({"eventId": event_id, "orderId": order_id, "seq": seq})
    return OfferedEvent(event_id, order_id, seq, None, body)


def test_first_arrivals_in_order_are_no_violation_and_orders_do_not_disturb_each_other() -> None:
    arrivals = Arrivals()
    for each in (event("a", 1), event("b", 1), event("a", 2), event("b", 2), event("a", 3)):
        arrivals.take(each)
    summary = arrivals.summary()
    assert (summary["count"], summary["orders"], summary["duplicates"]) == (5, 2, 0)
    assert summary["orderViolations"] == 0


def test_a_repeat_may_step_back_and_counts_as_a_duplicate_only() -> None:
    arrivals = Arrivals()
    firsts = [arrivals.take(each).first for each in (event("a", 1), event("a", 2), event("a", 1))]
    assert firsts == [True, True, False]
    assert arrivals.summary()["duplicates"] == 1
    assert arrivals.summary()["orderViolations"] == 0


def test_a_gap_and_a_late_first_arrival_are_violations_that_name_what_was_expected() -> None:
    arrivals = Arrivals()
    for each in (event("a", 1), event("a", 3), event("a", 2)):
        arrivals.take(each)
    summary = arrivals.summary()
    assert summary["orderViolations"] == 2
    assert [(found["seq"], found["expected"]) for found in summary["violations"]] == [(3, 2), (2, 4)]


def test_pages_of_arrivals_join_without_a_gap() -> None:
    arrivals = Arrivals()
    for seq in range(1, 8):
        arrivals.take(event("a", seq))
    pages = [arrivals.after(0, 3), arrivals.after(3, 3), arrivals.after(6, 3)]
    assert [[arrival.number for arrival in page] for page in pages] == [[1, 2, 3], [4, 5, 6], [7]]


def test_no_more_keys_are_taken_than_can_be_kept() -> None:
    arrivals = Arrivals(key_limit=1)
    arrivals.take(event("a", 1))
    with pytest.raises(Refusal, match="makes room"):
        arrivals.require_room(1)
