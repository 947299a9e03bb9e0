"""The table of error codes: nothing that the shop raises is missing from it."""

from collections.abc import Iterator

from app.api.problems import shop_problems
from app.application.catalogue_errors import CatalogueError
from app.application.errors import ApplicationError, StorageError
from app.domain.errors import OrderError

ROOTS = (ApplicationError, StorageError, CatalogueError)


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for one in kind.__subclasses__():
        yield from subclasses(one)


def test_every_error_of_the_shop_has_a_status_and_a_text() -> None:
    problems = shop_problems()
    roots = (OrderError, ApplicationError, CatalogueError)
    raised = {error for root in roots for error in subclasses(root)} - set(ROOTS)
    missing = {error.__name__ for error in raised if getattr(error, "code", "") not in problems}
    assert missing == set()


def test_every_text_is_a_sentence_and_every_status_an_error() -> None:
    for kind in shop_problems().listed():
        assert 400 <= kind.status < 600, kind.code
        assert kind.meaning.endswith("."), kind.code
        assert not kind.title.endswith("."), kind.code
