"""The doors for people and tests: what arrived, and the fault switches."""

import time

from aiohttp import web

from devservices.data_platform.arrivals import Arrivals
from devservices.data_platform.faults import Faults
from devservices.data_platform.journal import Journal
from devservices.data_platform.problems import Refusal

PAGE_LIMIT = 10_000


class Control:
    """Never subject to the faults themselves."""

    def __init__(self, arrivals: Arrivals, faults: Faults, journal: Journal) -> None:
        self._arrivals = arrivals
        self._faults = faults
        self._journal = journal

    async def received(self, request: web.Request) -> web.Response:
        """`GET /received`: counts; `orderId`: that order's arrivals; `after`, `limit`: a page of all.

        `rejected`: the ids of the events that were refused for good.
        """
        answer = self._arrivals.summary()
        query = request.query
        if "rejected" in query:
            answer["rejected"] = self._arrivals.rejected()
        elif "orderId" in query:
            found = self._arrivals.of_order(query["orderId"])
            answer = {"orderId": query["orderId"], "arrivals": [arrival.as_json() for arrival in found]}
        elif "after" in query or "limit" in query:
            after = _number(query.get("after", "0"), "after", 0, 10**12)
            limit = _number(query.get("limit", "1000"), "limit", 1, PAGE_LIMIT)
            page = self._arrivals.after(after, limit)
            answer["arrivals"] = [arrival.as_json() for arrival in page]
            answer["next"] = page[-1].number if len(page) == limit else None
        return web.json_response(answer)

    async def forget(self, _: web.Request) -> web.Response:
        """`DELETE /received`: forget all arrivals."""
        self._arrivals.clear()
        self._journal.clear()
        return web.Response(status=204)

    async def faults(self, _: web.Request) -> web.Response:
        """`GET /faults`: the switches in force."""
        now = time.monotonic()
        self._faults.expire(now)
        remaining = self._faults.remaining_seconds(now)
        return web.json_response({"faults": self._faults.described, "remainingSeconds": remaining})

    async def switch_faults(self, request: web.Request) -> web.Response:
        """`POST /faults`: replace all switches; `{}` clears them."""
        try:
            content = await request.json()
        except ValueError:
            raise Refusal(400, "the body must be JSON") from None
        self._faults.switch(content, time.monotonic())
        return await self.faults(request)

    async def alive(self, _: web.Request) -> web.Response:
        """`GET /livez`."""
        return web.json_response({"status": "alive"})


def _number(text: str, name: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise Refusal(400, f"{name} must be a whole number from {lowest} to {highest}")
    return int(text)
