"""The topic of the orders' events, as each process expects it."""

from app.settings import OrderSettings
from contracts.topics import ORDER_EVENTS_PARTITIONS
from worker.settings import OrderTopicSettings


def test_both_processes_expect_the_same_topic() -> None:
    """Whichever comes first makes it."""
    expected = {OrderSettings().events_partitions, OrderTopicSettings().events_partitions}
    assert expected == {ORDER_EVENTS_PARTITIONS}
