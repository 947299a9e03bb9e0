"""An order's way, from log lines to a table."""

from devservices.run.arrival_check import arrived_in_order, is_delivered
from devservices.run.journey import Step, arrival_steps, in_order, render
from devservices.run.orders import PlacedOrder

ORDER = PlacedOrder("o-1", "2 x p-1", "WELCOME10", "27000 KRW", posted_at=1_000.0, answered_ms=12.4)


def test_stages_of_the_same_millisecond_stand_in_the_order_of_the_pipeline() -> None:
    steps = [Step(5.0, name, "", "") for name in ("event_delivered", "event_recorded", "order_created")]
    assert [step.stage for step in in_order(steps)] == ["order_created", "event_recorded", "event_delivered"]


def test_the_table_shows_offset_stage_folder_and_essentials() -> None:
    steps = [
        Step(1_000.040, "event_published", "kits/outbox/kafka_sink", "partition=2 offset=7"),
        Step(1_000.005, "order_accepted", "app/api/orders", "customer_id=c"),
    ]
    lines = render(1, ORDER, steps).splitlines()
    assert lines[0] == "Order 1  o-1  2 x p-1, coupon WELCOME10, total 27000 KRW"
    assert [line.split()[:3] for line in lines[1:]] == [
        ["+0", "ms", "POST"],
        ["+5", "ms", "order_accepted"],
        ["+40", "ms", "event_published"],
    ]
    assert "kits/outbox/kafka_sink" in lines[3]
    assert lines[3].endswith("partition=2 offset=7")


def test_the_receivers_account_becomes_a_stage() -> None:
    arrival = {"receivedAt": "1970-01-01T00:16:40.050Z", "seq": 1, "first": False}
    (step,) = arrival_steps([arrival])
    assert round((step.at - ORDER.posted_at) * 1000) == 50
    assert step.essentials == "seq=1 repeat=yes"


def test_an_order_has_arrived_when_its_first_arrivals_have_no_gap() -> None:
    assert not arrived_in_order([])
    assert arrived_in_order(
        [{"seq": 1, "first": True}, {"seq": 1, "first": False}, {"seq": 2, "first": True}]
    )
    assert not arrived_in_order([{"seq": 2, "first": True}])


def test_an_order_is_delivered_when_the_worker_says_so() -> None:
    assert is_delivered([Step(1.0, "event_delivered", "", "")])
    assert not is_delivered([Step(1.0, "event_received", "", "")])
