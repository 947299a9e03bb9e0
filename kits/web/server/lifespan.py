"""Runs an application's lifespan, and lets its errors through as they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    """Start the application, run the block, stop the application.

    The framework does this inside of a task group, which wraps whatever is raised into an ExceptionGroup.

    Raises:
        Exception: what the start, the block or the stop raised; a group only if there are several.
    """
    try:
        async with app.lifespan():
            yield
    except ExceptionGroup as group:
        raise _single(group) from None


def _single(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
