"""Wrong words on the worker's command line, before anything is touched."""

import pytest

from worker.cli.program import main


@pytest.mark.parametrize(
    "words",
    [
        ["dlq"],
        ["dlq", "explode"],
        ["dlq", "skip", "--order", "o-1"],
        ["dlq", "discard", "--order", "o-1"],
        ["dlq", "skip", "--order", "o-1", "--reason", " "],
        ["dlq", "list", "--older-than", "soon"],
        ["dlq", "list", "--limit", "0"],
        ["dlq", "redrive", "--rate", "0"],
        ["dlq", "show"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A reason is needed where something is given up; ages, rates and counts are checked."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: python -m worker" in told.err
