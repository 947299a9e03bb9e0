"""Arrival: a request's head is bounded in size, the whole of it in time."""

from kits.web.server.arrival import RequestArrival
from kits.web.server.wire import HEAD_TOO_LARGE, TOO_MUCH_FRAMING, TRAILERS_TOO_LARGE


def test_a_head_that_does_not_end_becomes_too_large() -> None:
    arrival = RequestArrival(0.0)
    for _ in range(16):
        arrival.bytes_came(1024, 0.0)
        assert arrival.refusal is None
    arrival.bytes_came(1, 0.0)
    assert arrival.refusal is HEAD_TOO_LARGE


def in_body() -> RequestArrival:
    """Of a request whose head is complete."""
    arrival = RequestArrival(0.0)
    arrival.message_began(0.0)
    arrival.head_complete()
    return arrival


def test_a_body_does_not_count_as_head() -> None:
    arrival = in_body()
    arrival.bytes_came(100_000, 0.0)
    arrival.body_came(100_000)
    assert arrival.refusal is None


def test_many_requests_in_one_go_are_no_large_head() -> None:
    arrival = RequestArrival(0.0)
    for _ in range(10):
        arrival.bytes_came(10_000, 0.0)
        arrival.message_began(0.0)
        arrival.head_complete()
        arrival.message_complete()
        arrival.message_began(0.0)
        assert arrival.refusal is None


def test_the_clock_runs_from_the_first_byte_to_the_last() -> None:
    arrival = RequestArrival(0.0)
    assert arrival.began_before(1.0)
    arrival.message_complete()
    assert not arrival.began_before(100.0)
    arrival.bytes_came(1, 50.0)
    arrival.message_began(60.0)
    assert arrival.began_before(51.0)
    assert not arrival.began_before(50.0)


def test_the_smallest_chunks_are_no_excess_however_many() -> None:
    arrival = in_body()
    for _ in range(50_000):
        arrival.bytes_came(6, 0.0)
        arrival.chunk_began()
        arrival.body_came(1)
    assert arrival.refusal is None


def test_what_stands_around_the_chunks_is_bounded_in_all() -> None:
    arrival = in_body()
    for _ in range(1000):
        arrival.bytes_came(100, 0.0)
        arrival.chunk_began()
        arrival.body_came(1)
    assert arrival.refusal is TOO_MUCH_FRAMING


def test_trailers_are_bounded_and_the_next_request_begins_anew() -> None:
    arrival = in_body()
    for _ in range(8):
        arrival.trailer_came(b"x", b"y" * 1000)
        assert arrival.refusal is None
    arrival.trailer_came(b"x", b"y" * 1000)
    assert arrival.refusal is TRAILERS_TOO_LARGE
    arrival.message_complete()
    arrival.message_began(0.0)
    arrival.head_complete()
    assert arrival.refusal is None
