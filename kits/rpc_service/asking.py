"""RPC service, `rpc ask`: an operator's question to any service, and its answer on stdout."""

import argparse
import asyncio

import uvloop

from kits.kafka.security import KafkaSettings
from kits.rpc.asking import ask_once
from kits.rpc.deadlines import DEFAULT_SECONDS, LONGEST_SECONDS
from kits.rpc.errors import RpcError
from kits.rpc.over_kafka import Brokers
from kits.rpc.patterns import topic_name
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say

_FAILED = 1


def add_ask_parser(commands: Commands) -> argparse.ArgumentParser:
    """Add `rpc ask PATTERN [REQUEST]`; its caller says by which command it is run."""
    family = commands.add_parser("rpc", help="ask services over Kafka").add_subparsers(required=True)
    ask = family.add_parser("ask", help="send one request and print its reply")
    ask.add_argument("pattern", type=_topic, help="its topic, as orders.create")
    ask.add_argument("request", nargs="?", help="JSON or text, as it travels; none: an empty request")
    ask.add_argument(
        "--timeout", type=_seconds, default=DEFAULT_SECONDS, help="seconds (default 5, at most 60)"
    )
    return ask


def ask_and_print(kafka: KafkaSettings, client_id: str, options: argparse.Namespace) -> int:
    """Ask, and print the reply as it travels; 1 if it is refused or nobody answers."""
    brokers = Brokers(bootstrap_servers=kafka.bootstrap_servers, security=kafka, client_id=client_id)
    value = None if options.request is None else options.request.encode()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            reply = runner.run(ask_once(brokers, options.pattern, value, timeout=options.timeout))
    except RpcError as error:
        complain(error)
        return _FAILED
    say("" if reply is None else reply.decode(errors="replace"))
    return 0


def _topic(text: str) -> str:
    try:
        return topic_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {LONGEST_SECONDS:.0f}")
    return seconds
