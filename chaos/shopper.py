"""A shopper: places an order and lives with it, asking again with the same key when no answer came."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from chaos.client_record import ClientRecord
from chaos.goods import a_life, an_order

_PATIENCE_SECONDS = 45.0
_CALL_SECONDS = 8.0
_PAUSE_SECONDS = (0.1, 0.6)
_THINKING_SECONDS = (0.0, 4.0)
_AGAIN = {401, 429, 500, 502, 503, 504}
"""401: the process has a wrong clock; another one will know the token."""
_JUDGED = {200, 409}
_IN_USE = "idempotency_key_in_use"
Doors = Callable[[], Sequence[str]]


class Shopper:
    """One customer at the doors of all API processes; `token` may fulfil orders too, `pay_token` pays."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        doors: Doors,
        token: str,
        record: ClientRecord,
        seed: int,
        *,
        pay_token: str = "",
        thinking_seconds: tuple[float, float] = _THINKING_SECONDS,
    ) -> None:
        self._session = session
        self._doors = doors
        self._headers = {"Authorization": f"Bearer {token}"}
        self._payer = {"Authorization": f"Bearer {pay_token or token}"}
        self._record = record
        self._thinking_seconds = thinking_seconds
        self._rng = random.Random(seed)  # noqa: S311 - load, no secret

    async def shop(self, key: str) -> None:
        """One order and its life; ends early when it is refused or patience ends."""
        body = an_order(self._rng)
        self._record.keys[key]  # sent from now on, answered or not
        answer = await self._until_answered("/orders", body, {"Idempotency-Key": key})
        if answer is None or answer[0] != 202:
            return
        order_id = str(answer[1]["orderId"])
        self._record.placed(key, order_id)
        for number, step in enumerate(a_life(self._rng)):
            await asyncio.sleep(self._rng.uniform(*self._thinking_seconds))
            payment = _payment(answer[1], number) if step == "payment" else None
            headers = self._payer if payment else {}
            done = await self._until_answered(f"/orders/{order_id}/{step}", payment, headers)
            if payment and done and done[0] in _JUDGED:
                self._record.payments[payment["reference"]] = done[0] == 200
            if done is None or done[0] != 200:
                return  # refused, or done by a request whose answer was lost
            self._record.moved(order_id, str(done[1]["status"]))

    async def _until_answered(
        self, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]] | None:
        """The first definite answer, from whichever process; None when patience ends."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _PATIENCE_SECONDS
        while loop.time() < give_up_at:
            status, content = await self._ask(path, body, headers)
            code = str(content.get("code", ""))
            self._record.answers[f"{status} {code}".strip() if status else "lost"] += 1
            if status and status not in _AGAIN and code != _IN_USE:
                return status, content
            await asyncio.sleep(self._rng.uniform(*_PAUSE_SECONDS))
        return None

    async def _ask(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        address = self._rng.choice(self._doors()) + path
        try:
            async with self._session.post(
                address,
                json=body,
                headers={**self._headers, **headers},
                timeout=aiohttp.ClientTimeout(_CALL_SECONDS),
            ) as answer:
                content = await answer.json(content_type=None)
                return answer.status, content if isinstance(content, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, {}


def _payment(order: dict[str, Any], number: int) -> dict[str, Any]:
    """Its total, under a name of its own: however often it is told, it is one payment."""
    reference = f"{order['orderId']}-{number}"
    return {"reference": reference, "amount": order["total"], "currency": order["currency"]}
