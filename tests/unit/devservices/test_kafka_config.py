"""What Kafka reads: a properties file in Latin-1, whatever stands in it."""

import pytest

from devservices.bootstrap_checks import place_problem
from devservices.kafka_config import as_properties


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("/plain/path", "a=/plain/path"),
        ("/주문", "a=/\\uc8fc\\ubb38"),
        ("/\U0001f600", "a=/\\ud83d\\ude00"),
        ("/é", "a=/\\u00e9"),
        ("C:\\x", "a=C:\\\\x"),
        (" x", "a=\\ x"),
        ("x\ny", "a=x\\u000ay"),
        ("/\udcff", "a=/\\udcff"),
    ],
)
def test_properties_are_escaped_as_java_reads_them(value: str, line: str) -> None:
    assert as_properties({"a": value}) == f"{line}\n"


def test_a_place_whose_path_no_search_path_can_hold_is_refused() -> None:
    assert place_problem("/home/kim/주문 a,b%c\\d") is None
    for path in ("/a:b", "/a\nb"):
        assert "rename it" in str(place_problem(path))
