"""Arrival: a request's head is bounded in size, the whole of it in time."""

from kits.web.arrival import Arrival


def test_a_head_that_does_not_end_becomes_too_large() -> None:
    arrival = Arrival(0.0)
    for _ in range(16):
        arrival.bytes_came(1024, 0.0)
        assert not arrival.head_too_large
    arrival.bytes_came(1, 0.0)
    assert arrival.head_too_large


def test_a_body_does_not_count_as_head() -> None:
    arrival = Arrival(0.0)
    arrival.message_began(0.0)
    arrival.head_complete()
    arrival.bytes_came(100_000, 0.0)
    assert not arrival.head_too_large


def test_many_requests_in_one_go_are_no_large_head() -> None:
    arrival = Arrival(0.0)
    for _ in range(10):
        arrival.bytes_came(10_000, 0.0)
        arrival.message_began(0.0)
        arrival.head_complete()
        arrival.message_complete()
        arrival.message_began(0.0)
        assert not arrival.head_too_large


def test_the_clock_runs_from_the_first_byte_to_the_last() -> None:
    arrival = Arrival(0.0)
    assert arrival.began_before(1.0)
    arrival.message_complete()
    assert not arrival.began_before(100.0)
    arrival.bytes_came(1, 50.0)
    arrival.message_began(60.0)
    assert arrival.began_before(51.0)
    assert not arrival.began_before(50.0)
