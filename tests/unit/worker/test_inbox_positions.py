"""Where a partition begins: where the table says, in the same topic; else where nothing is lost."""

import uuid

import pytest

from kits.kafka.places import Place
from worker.inbox.positions import Position, opening

SAME, OTHER = uuid.uuid4(), uuid.uuid4()


def place(start: int = 10, end: int = 50, committed: int | None = 33) -> Place:
    """A log from offset 10 to 50, of a group whose own offset a stranger may have set."""
    return Place(SAME, start, end, committed)


@pytest.mark.parametrize("committed", [None, 0, 33, 50, 99])
def test_the_table_counts_whatever_kafka_keeps_of_the_group(committed: int | None) -> None:
    """Deleted, expired, reset to 0 or to the end by a stranger."""
    opened = opening(place(committed=committed), Position(SAME, 20, 10), None)
    assert (opened.position, opened.standing, opened.warning) == (Position(SAME, 20, 10), "", "")
    assert opening(place(committed=committed), None, None).position == Position(SAME, 10, 10)


@pytest.mark.parametrize("next_offset", [10, 50])
def test_both_ends_of_the_log_are_places_to_be(next_offset: int) -> None:
    """Everything is still there, or nothing is left to read."""
    opened = opening(place(), Position(SAME, next_offset, 10), None)
    assert (opened.position.next_offset, opened.standing, opened.warning) == (next_offset, "", "")


def test_a_topic_made_anew_is_read_from_its_start() -> None:
    """And says so; what its log had lost before is another story."""
    opened = opening(place(0), Position(OTHER, 20, 10), 7)
    assert (opened.position, opened.standing) == (Position(SAME, 0, 0), "")
    assert "made anew" in opened.warning


def test_what_was_deleted_unread_stops_the_partition() -> None:
    """The position stays: an operator moves it."""
    opened = opening(place(), Position(SAME, 4, 0), None)
    assert opened.position == Position(SAME, 4, 0)
    assert "offsets 4 to 9" in opened.standing


def test_a_position_behind_the_end_never_counts_as_caught_up() -> None:
    """The log was cut, and what stands there now is new: all of it is read again."""
    opened = opening(place(), Position(SAME, 51, 0), None)
    assert opened.position == Position(SAME, 10, 0)
    assert "ends at 50" in opened.warning


def test_a_former_builds_group_goes_on_where_it_had_committed() -> None:
    """If that knew the partition; without an offset it begins at the log's start."""
    assert opening(place(), None, 3).position == Position(SAME, 33, 3)
    assert opening(place(committed=None), None, 3).position == Position(SAME, 10, 3)
    assert opening(place(committed=5), None, 3).standing
    assert opening(place(committed=60), None, 3).position == Position(SAME, 10, 3)


def test_a_position_without_a_topic_takes_the_topics_id() -> None:
    """It was moved from an older build."""
    assert opening(place(), Position(None, 20, 10), None).position == Position(SAME, 20, 10)
