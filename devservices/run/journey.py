"""An order's way through the folders, read from the log lines of both processes and from the receiver."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from devservices.run.orders import PlacedOrder

# The stages in the order of the pipeline; equal times are shown in this order.
STAGES: Mapping[str, tuple[str, ...]] = {
    "order_accepted": ("customer_id",),
    "order_created": ("total",),
    "event_recorded": ("seq", "event_id"),
    "event_published": ("partition", "offset"),
    "event_received": ("partition", "offset"),
    "event_arrived": ("seq", "repeat"),
    "event_delivered": ("seq", "outcome"),
}
UUID_LENGTH = 36
RECEIVER = "devservices/data_platform"


@dataclass(frozen=True, slots=True)
class Step:
    """One stage that an order passed; `at` is the wall clock in seconds."""

    at: float
    stage: str
    folder: str
    essentials: str


def read_steps(logs: Iterable[Path]) -> dict[str, list[Step]]:
    """All stages in these JSON log files, by order id; lines of anything else are passed over."""
    steps: dict[str, list[Step]] = {}
    for path in logs:
        for line in _lines(path):
            if line.get("event") in STAGES and "order_id" in line:
                steps.setdefault(str(line["order_id"]), []).append(_step(line))
    return steps


def arrival_steps(arrivals: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The receiver's own account of an order."""
    return [
        Step(
            _seconds(arrival["receivedAt"]),
            "event_arrived",
            RECEIVER,
            f"seq={arrival['seq']}" + ("" if arrival["first"] else " repeat=yes"),
        )
        for arrival in arrivals
    ]


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Sorted by time, and by the pipeline's order where the milliseconds are equal."""
    rank = {stage: number for number, stage in enumerate(STAGES)}
    return sorted(steps, key=lambda step: (step.at, rank[step.stage]))


def render(number: int, order: PlacedOrder, steps: Iterable[Step]) -> str:
    """One order's journey as a small table: milliseconds since the POST, stage, folder, essentials."""
    coupon = f", coupon {order.coupon}" if order.coupon else ""
    lines = [f"Order {number}  {order.order_id}  {order.items}{coupon}, total {order.total}"]
    lines.append(_row(0, "POST /orders", "", f"202 after {order.answered_ms:.0f} ms"))
    for step in in_order(steps):
        offset_ms = max(0.0, (step.at - order.posted_at) * 1000)
        lines.append(_row(offset_ms, step.stage, step.folder, step.essentials))
    return "\n".join(lines)


def _row(offset_ms: float, stage: str, folder: str, essentials: str) -> str:
    return f"  {offset_ms:>+7.0f} ms  {stage:<16} {folder:<36} {essentials}".rstrip()


def _step(line: Mapping[str, Any]) -> Step:
    stage = line["event"]
    essentials = " ".join(f"{name}={_short(line[name])}" for name in STAGES[stage] if name in line)
    return Step(_seconds(line["timestamp"]), stage, str(line.get("logger", "")).replace(".", "/"), essentials)


def _short(value: object) -> str:
    """Ids of events end in random digits: the last are enough to find one in a log."""
    text = str(value)
    return f"..{text[-12:]}" if len(text) == UUID_LENGTH else text


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as log:
        for text in log:
            try:
                line = json.loads(text)
            except ValueError:
                continue  # a line that is being written
            if isinstance(line, dict):
                yield line


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
