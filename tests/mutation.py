"""Mutation: whether a simulation notices that a rule is broken."""

import asyncio
import gc
from collections.abc import Callable, Iterator

from structlog.testing import capture_logs

# A promise that does not hold, an end that does not come, or too much that happens before it.
_SIGNS = (AssertionError, TimeoutError, RuntimeError, asyncio.CancelledError)


def is_caught(run: Callable[[int], None], seed: int) -> bool:
    """Whether this run shows that something is broken.

    Raises:
        BaseException: what no simulation says, a TypeError say: the variant does not fit the code any more.
    """
    caught = _ends_badly(run, seed)
    if caught:
        # The loop that was left behind must not be found by another test, which would be blamed for it.
        gc.collect()
    return caught


def _ends_badly(run: Callable[[int], None], seed: int) -> bool:
    try:
        # Hundreds of tracebacks would take longer to render than the runs.
        with capture_logs():
            run(seed)
    except BaseException as error:
        if all(isinstance(each, _SIGNS) for each in _leaves(error)):
            return True
        raise
    return False


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
