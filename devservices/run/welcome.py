"""What `run` says when it serves: which addresses to open, and how to place an order of one's own."""

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from devservices.instance import ROOT, Instance
from devservices.run.orders import PlacedOrder

BODY = '{"items":[{"productId":"p-1","quantity":2}],"couponCode":"WELCOME10"}'


def welcome(
    *,
    api: str,
    ops: str,
    worker: str,
    platform: str,
    instance: Instance,
    token: str,
    orders: Sequence[PlacedOrder],
    neighbours: Mapping[str, str] = MappingProxyType({}),
    commands: Sequence[str] = (),
) -> str:
    """Several lines for the terminal; the token in them is a development token.

    Args:
        neighbours: what else to open, by name.
        commands: what else to try, in lines.
    """
    json_body = f"-H 'Content-Type: application/json' -d {shlex.quote(BODY)}"
    authorization = shlex.quote(f"Authorization: Bearer {token}")
    amount, _, currency = orders[-1].total.partition(" ")
    payment = f'{{"reference":"pay-1","amount":{amount},"currency":"{currency}"}}'
    named = "" if instance == Instance() else f" --instance {instance.name}"
    return "\n".join(
        [
            f"  API docs   {api}/docs",
            f"  metrics    {ops}/metrics",
            f"  worker     {worker}/readyz",
            f"  platform   {platform}",
            *(f"  {name:<10} {address}" for name, address in neighbours.items()),
            f"  logs       {instance.logs}",
            "",
            "Place an order of your own, and read one:",
            f"  TOKEN={authorization}",
            f'  curl -i -H "$TOKEN" {json_body} {api}/orders',
            f'  curl -i -H "$TOKEN" {api}/orders/{orders[-1].order_id}',
            "",
            *commands,
            "Go on in another terminal:",
            f"  cd {shlex.quote(str(ROOT))}; source .venv/bin/activate",
            f'  eval "$(python -m devservices env{named})"',
            "  python -m app token --sub staff --scope orders:fulfil     # for POST /orders/{id}/fulfilment",
            '  PAY="Authorization: Bearer $(python -m app token --sub psp-1 --scope orders:pay)"',
            "  curl -i -H \"$PAY\" -H 'Content-Type: application/json' \\",
            f"    -d {shlex.quote(payment)} {api}/orders/{orders[-1].order_id}/payment",
            "  python -m worker dlq list",
            "",
            "Ctrl-C stops everything that this command started.",
        ]
    )
