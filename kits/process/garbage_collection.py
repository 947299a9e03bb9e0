"""Keeps Python's garbage collector away from what lives as long as the process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG_OBJECTS = 20_000
_MIDDLE, _OLD = 2, 5
"""After how many collections of the younger ones. Connections that come and go leave cycles of middle age."""


@contextmanager
def long_lived_objects_set_aside() -> Iterator[None]:
    """Enter it when all that stays has been built: collections then look at the objects of the work only.

    A full collection of a serving process would stop every request for about 100 ms, to find nothing: the
    routes, statements and compiled patterns that it walks over are all in use (`gc.freeze`, bpo-31558).
    Requests and records leave few cycles, so the young ones are collected less often than by default (700
    objects).
    """
    threshold = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _MIDDLE, _OLD)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
