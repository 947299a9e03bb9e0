"""Trace context: the W3C traceparent that follows one order through every process."""

import random
import re
from contextvars import ContextVar

TRACEPARENT = "traceparent"
_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")

current_traceparent: ContextVar[str] = ContextVar("current_traceparent", default="")
"""The traceparent of the request or record that is being worked on, empty outside of one."""


def continue_trace(received: str | None) -> str:
    """The traceparent for work that `received` caused: the same trace id with a new span id.

    A missing or malformed header starts a new trace, as W3C Trace Context (section 3.2) asks.
    """
    match = _FORM.match(received or "")
    # Ids of traces and spans are no secrets, and this is done for every event; zero is no valid id.
    trace_id = match.group(1) if match else f"{random.getrandbits(128) or 1:032x}"
    return f"00-{trace_id}-{random.getrandbits(64) or 1:016x}-01"


def trace_id(traceparent: str) -> str:
    """The 32 hex digits that all spans of one trace share, empty if there is no trace."""
    match = _FORM.match(traceparent)
    return match.group(1) if match else ""
