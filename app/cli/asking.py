"""Entrance: `rpc ask`, which asks a service over Kafka and prints what it answers."""

import argparse
import asyncio

import uvloop

from app.cli.environment import FAILED, USAGE_ERROR, settings_of
from app.settings import KafkaCommandSettings
from kits.rpc.asking import ask_once
from kits.rpc.deadlines import LONGEST_SECONDS
from kits.rpc.errors import RpcError
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say

_CLIENT_ID = "order-service-operator"


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    family = commands.add_parser("rpc", help="ask services over Kafka").add_subparsers(required=True)
    ask = family.add_parser("ask", help="send one request and print its reply")
    ask.set_defaults(command=_ask)
    ask.add_argument("pattern", help="its topic, as orders.create")
    ask.add_argument("request", nargs="?", help="JSON or text, as it travels; none: an empty request")
    ask.add_argument("--timeout", type=float, default=5.0, help="seconds (default 5, at most 60)")


def _ask(options: argparse.Namespace) -> int:
    if not 0 < options.timeout <= LONGEST_SECONDS:
        complain(f"--timeout has to be above 0 and at most {LONGEST_SECONDS:.0f} s.")
        return USAGE_ERROR
    settings = settings_of(KafkaCommandSettings)
    kafka = settings.kafka
    value = None if options.request is None else options.request.encode()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            reply = runner.run(
                ask_once(
                    {
                        "bootstrap_servers": kafka.bootstrap_servers,
                        "security": kafka,
                        "client_id": _CLIENT_ID,
                    },
                    options.pattern,
                    value,
                    timeout=options.timeout,
                )
            )
    except ValueError as error:
        complain(error)
        return USAGE_ERROR
    except RpcError as error:
        complain(error)
        return FAILED
    say("" if reply is None else reply.decode(errors="replace"))
    return 0
