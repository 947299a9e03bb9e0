"""What `run` says when it serves: which addresses to open, and how to place an order of one's own."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from devservices.run.orders import PlacedOrder

BODY = '{"items":[{"productId":"p-1","quantity":2}],"couponCode":"WELCOME10"}'


def welcome(
    *, api: str, worker: str, platform: str, logs: Path, token: str, orders: Sequence[PlacedOrder]
) -> str:
    """Several lines for the terminal; the token in them is a development token."""
    json_body = f"-H 'Content-Type: application/json' -d {shlex.quote(BODY)}"
    authorization = shlex.quote(f"Authorization: Bearer {token}")
    return "\n".join(
        [
            f"  API docs   {api}/docs",
            f"  metrics    {api}/metrics",
            f"  worker     {worker}/readyz",
            f"  platform   {platform}",
            f"  logs       {logs}",
            "",
            "Place an order of your own, and read one:",
            f"  TOKEN={authorization}",
            f'  curl -i -H "$TOKEN" {json_body} {api}/orders',
            f'  curl -i -H "$TOKEN" {api}/orders/{orders[-1].order_id}',
            "",
            "Ctrl-C stops everything that this command started.",
        ]
    )
