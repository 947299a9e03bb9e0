"""Whether the demonstration orders arrived, and in order."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from devservices.run.http import call
from devservices.run.journey import Step, arrival_steps
from devservices.run.orders import PlacedOrder

LAST_STAGE = "event_delivered"


def arrivals_of(platform_url: str, order: PlacedOrder) -> Sequence[Mapping[str, Any]]:
    """What the reference receiver took of this order; nothing when it does not answer."""
    answer = call("GET", f"{platform_url}/received?{urlencode({'orderId': order.order_id})}")
    return answer.body.get("arrivals", []) if answer.status == 200 and isinstance(answer.body, dict) else []


def arrived_in_order(arrivals: Sequence[Mapping[str, Any]]) -> bool:
    """At least one event came, and the first arrivals are seq 1, 2, 3 … without a gap."""
    numbers = [arrival["seq"] for arrival in arrivals if arrival["first"]]
    return bool(numbers) and numbers == list(range(1, len(numbers) + 1))


def steps_of(
    order: PlacedOrder, logged: Mapping[str, Sequence[Step]], arrivals: Iterable[Mapping[str, Any]]
) -> list[Step]:
    """All that is known of one order's way."""
    return [*logged.get(order.order_id, []), *arrival_steps(arrivals)]


def is_delivered(steps: Iterable[Step]) -> bool:
    """Whether the worker has written down the delivery, the last stage there is."""
    return any(step.stage == LAST_STAGE for step in steps)
