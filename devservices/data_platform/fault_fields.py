"""One reader per fault switch: from its JSON value to fields of the plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_MS = 600_000


@dataclass(frozen=True, slots=True)
class Outage:
    """What every call is answered during an outage."""

    status: int = 503
    retry_after: int | None = None


def whole_number(value: Any, lowest: int, highest: int) -> int:
    """Raises ValueError for anything but a whole number in the range."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"a whole number from {lowest} to {highest} is needed")
    return value


def truth(value: Any) -> bool:
    """Raises TypeError for anything but true or false."""
    if not isinstance(value, bool):
        raise TypeError("true or false is needed")
    return value


def only(value: Any, *names: str) -> Mapping[str, Any]:
    """Raises ValueError for anything but an object with these fields at most."""
    if not isinstance(value, dict) or not value or not set(value) <= set(names):
        raise ValueError(f"an object with {' or '.join(names)} is needed")
    return value


def _outage(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"outage": Outage() if value else None}
    fields = only(value, "status", "retryAfter")
    after = fields.get("retryAfter")
    return {
        "outage": Outage(
            whole_number(fields.get("status", 503), 400, 599),
            None if after is None else whole_number(after, 0, 3600),
        )
    }


def _reject(value: Any) -> dict[str, Any]:
    fields = only(value, "orderIds", "eventIds", "everyNth")
    nth = whole_number(fields["everyNth"], 1, 1_000_000) if "everyNth" in fields else 0
    return {
        "reject_order_ids": _ids(fields, "orderIds"),
        "reject_event_ids": _ids(fields, "eventIds"),
        "reject_every_nth": nth,
    }


def _ids(fields: Mapping[str, Any], name: str) -> frozenset[str]:
    ids = fields.get(name, [])
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise ValueError(f"{name} must be a list of ids")
    return frozenset(ids)


def _fail_orders(value: Any) -> dict[str, Any]:
    fields = only(value, "orderIds", "status")
    ids = fields["orderIds"]
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise ValueError("orderIds must be a list of order ids")
    status = whole_number(fields.get("status", 500), 300, 599)
    return {"fail_order_ids": frozenset(ids), "fail_orders_status": status}


def _apply_then_fail(value: Any) -> dict[str, Any]:
    if value in {"close", "half"}:
        return {"apply_then_fail": value}
    return {"apply_then_fail": "status" if truth(value) else ""}


def _flap(value: Any) -> dict[str, Any]:
    fields = only(value, "upMs", "downMs")
    return {
        "flap_up_ms": whole_number(fields["upMs"], 1, LONGEST_MS),
        "flap_down_ms": whole_number(fields["downMs"], 1, LONGEST_MS),
    }


def _for_seconds(value: Any) -> dict[str, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
        raise ValueError("a number of seconds up to 86400 is needed")
    return {"for_seconds": float(value)}


FIELDS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "outage": _outage,
    "latencyMs": lambda value: {"latency_ms": whole_number(value, 0, LONGEST_MS)},
    "timeout": lambda value: {"timeout": truth(value)},
    "reject": _reject,
    "failOrders": _fail_orders,
    "status": lambda value: {"status": whole_number(value, 300, 599)},
    "applyThenFail": _apply_then_fail,
    "flap": _flap,
    "batchUnsupported": lambda value: {"batch_unsupported": truth(value)},
    "batchRetryEveryNth": lambda value: {"batch_retry_every_nth": whole_number(value, 1, 1_000_000)},
    "duplicateAnswers": lambda value: {"duplicate_answers": truth(value)},
    "forSeconds": _for_seconds,
}
