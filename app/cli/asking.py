"""Entrance: `rpc ask`, which asks a service over Kafka and prints what it answers."""

import argparse

from app.cli.environment import settings_of
from app.settings import KafkaCommandSettings
from kits.rpc_service.asking import add_ask_parser, ask_and_print
from kits.terminal.arguments import Commands

_CLIENT_ID = "order-service-operator"


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    add_ask_parser(commands).set_defaults(command=_ask)


def _ask(options: argparse.Namespace) -> int:
    return ask_and_print(settings_of(KafkaCommandSettings).kafka, _CLIENT_ID, options)
