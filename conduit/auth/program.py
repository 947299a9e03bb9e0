"""Entrance: the commands of auth."""

from collections.abc import Sequence

from conduit.auth.commands import add_keys_command
from conduit.auth.container import CommandContainer, Container
from conduit.auth.settings import AuthDatabaseSettings, AuthSettings
from kits.outbox.commands import OutboxCommands
from kits.rpc_service.program import RpcServiceProgram

PROGRAM = RpcServiceProgram(
    name="conduit-auth",
    description="Auth of conduit: users, their passwords, and the tokens that prove them.",
    database_settings=AuthDatabaseSettings,
    settings=AuthSettings,
    command_container=CommandContainer,
    container=Container,
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    parser, commands = PROGRAM.parser()
    add_keys_command(commands)
    OutboxCommands("user", PROGRAM).add_to(commands)
    return PROGRAM.run(parser, arguments)
