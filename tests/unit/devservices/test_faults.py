"""The fault switches of the reference data platform, by the clock alone."""

from typing import Any

import pytest

from devservices.data_platform.fault_fields import Outage
from devservices.data_platform.faults import Faults, parse_plan
from devservices.data_platform.problems import Refusal


@pytest.mark.parametrize(
    "content",
    [
        [],
        "outage",
        {"outages": True},
        {"outage": {"status": 200}},
        {"outage": {"statuss": 503}},
        {"latencyMs": -1},
        {"latencyMs": True},
        {"latencyMs": "5"},
        {"timeout": 1},
        {"reject": {}},
        {"reject": {"everyNth": 0}},
        {"reject": {"orderIds": "o-1"}},
        {"reject": {"eventIds": [1]}},
        {"failOrders": {"status": 500}},
        {"failOrders": {"orderIds": ["o-1"], "status": 200}},
        {"status": 200},
        {"applyThenFail": "later"},
        {"flap": {"upMs": 100}},
        {"batchUnsupported": "yes"},
        {"batchRetryEveryNth": 0},
        {"forSeconds": 0},
        {"forSeconds": float("nan")},
    ],
)
def test_a_switch_that_makes_no_sense_is_refused_with_a_reason(content: Any) -> None:
    with pytest.raises(Refusal) as refused:
        parse_plan(content)
    assert refused.value.status == 400
    assert refused.value.reason


def test_a_flapping_platform_is_up_first_and_then_down_and_up_again() -> None:
    faults = Faults()
    faults.switch({"flap": {"upMs": 300, "downMs": 200}}, now=100.0)
    assert faults.outage(100.0) is None
    assert faults.outage(100.29) is None
    assert faults.outage(100.35) == Outage(503)
    assert faults.outage(100.55) is None


def test_faults_with_a_duration_end_by_themselves() -> None:
    faults = Faults()
    faults.switch({"outage": {"status": 429, "retryAfter": 1}, "forSeconds": 5}, now=100.0)
    faults.expire(104.9)
    assert faults.outage(104.9) == Outage(429, 1)
    faults.expire(105.0)
    assert faults.outage(105.0) is None
    assert faults.described == {}


def test_an_event_that_was_rejected_once_is_rejected_each_time() -> None:
    faults = Faults()
    faults.switch({"reject": {"everyNth": 2}}, now=0.0)
    first = [faults.rejects(event, "o") for event in ("a", "b", "c", "d")]
    again = [faults.rejects(event, "o") for event in ("d", "a", "b", "c")]
    assert first == [False, True, False, True]
    assert again == [True, False, True, False]


def test_a_new_setting_replaces_the_old_one_whole() -> None:
    faults = Faults()
    faults.switch({"outage": True, "latencyMs": 5}, now=0.0)
    faults.switch({"status": 500}, now=1.0)
    assert faults.outage(1.0) is None
    assert faults.plan.latency_ms == 0
    assert faults.plan.status == 500


def test_a_single_event_can_be_rejected_and_its_order_goes_on() -> None:
    faults = Faults()
    faults.switch({"reject": {"eventIds": ["b"]}}, now=0.0)
    assert [faults.rejects(event, "o") for event in ("a", "b", "c")] == [False, True, False]
