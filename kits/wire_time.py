"""The one form of a moment on the wire."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=64)
def wire_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as in `2026-11-21T07:00:00.000Z`."""
    # Equal moments of two zones are one key of the cache.
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
