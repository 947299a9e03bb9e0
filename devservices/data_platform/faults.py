"""The fault switches: how the receiver is told to misbehave, and what that means now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devservices.data_platform.fault_fields import FIELDS, Outage
from devservices.data_platform.problems import Refusal


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One setting of all switches; the default is good behaviour. Times in milliseconds."""

    outage: Outage | None = None
    latency_ms: int = 0
    timeout: bool = False
    reject_order_ids: frozenset[str] = frozenset()
    reject_event_ids: frozenset[str] = frozenset()
    reject_every_nth: int = 0
    fail_order_ids: frozenset[str] = frozenset()
    fail_orders_status: int = 0
    status: int = 0
    apply_then_fail: str = ""
    flap_up_ms: int = 0
    flap_down_ms: int = 0
    batch_unsupported: bool = False
    batch_retry_every_nth: int = 0
    duplicate_answers: bool = False
    for_seconds: float = 0.0


def parse_plan(content: Any) -> FaultPlan:
    """Read the body of `POST /faults`.

    Raises:
        Refusal: 400, an unknown switch or a value that it does not take, with the list of switches.
    """
    if not isinstance(content, dict):
        raise Refusal(400, "the body must be a JSON object; {} clears all switches")
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name not in FIELDS:
            raise Refusal(400, f"unknown switch {name!r}; there are: {', '.join(FIELDS)}")
        try:
            values.update(FIELDS[name](value))
        except (TypeError, ValueError, KeyError) as error:
            raise Refusal(400, f"switch {name} does not take {value!r}: {error}") from None
    return FaultPlan(**values)


@dataclass(slots=True)
class Faults:
    """The plan in force. `now` is always a monotonic time in seconds."""

    plan: FaultPlan = field(default_factory=FaultPlan)
    described: Mapping[str, Any] = field(default_factory=dict)
    _since: float = 0.0
    _judged: dict[str, bool] = field(default_factory=dict)
    _batch_entries: int = 0

    def switch(self, content: Any, now: float) -> None:
        """Put a new plan in force, in place of the old one. Raises Refusal for a bad one."""
        self.plan = parse_plan(content)
        self.described = dict(content)
        self._since = now
        self._judged.clear()
        self._batch_entries = 0

    def expire(self, now: float) -> None:
        """Return to good behaviour when `forSeconds` are over."""
        if self.plan.for_seconds and now - self._since >= self.plan.for_seconds:
            self.plan, self.described = FaultPlan(), {}

    def remaining_seconds(self, now: float) -> float | None:
        """How long the plan stays; None means until it is changed."""
        return max(0.0, self.plan.for_seconds - (now - self._since)) if self.plan.for_seconds else None

    def outage(self, now: float) -> Outage | None:
        """The outage that every call meets now, if any."""
        cycle = self.plan.flap_up_ms + self.plan.flap_down_ms
        if cycle and ((now - self._since) * 1000) % cycle >= self.plan.flap_up_ms:
            return self.plan.outage or Outage()
        return None if cycle else self.plan.outage

    def rejects(self, event_id: str, order_id: str) -> bool:
        """Whether this event is refused for good; the same event always meets the same judgement."""
        if order_id in self.plan.reject_order_ids or event_id in self.plan.reject_event_ids:
            return True
        if not self.plan.reject_every_nth:
            return False
        if event_id not in self._judged:
            self._judged[event_id] = (len(self._judged) + 1) % self.plan.reject_every_nth == 0
        return self._judged[event_id]

    def wants_batch_retry(self) -> bool:
        """Whether the next entry of a batch is answered with `retry`."""
        self._batch_entries += 1
        nth = self.plan.batch_retry_every_nth
        return bool(nth) and self._batch_entries % nth == 0
