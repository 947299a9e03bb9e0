"""Entrance: the commands of profiles."""

from collections.abc import Sequence

from conduit.profiles.container import CommandContainer, Container
from conduit.profiles.settings import ProfilesDatabaseSettings, ProfilesSettings
from kits.rpc_service.program import RpcServiceProgram

PROGRAM = RpcServiceProgram(
    name="conduit-profiles",
    description="Profiles of conduit: who a user is to others, and who follows whom.",
    database_settings=ProfilesDatabaseSettings,
    settings=ProfilesSettings,
    command_container=CommandContainer,
    container=Container,
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    parser, _ = PROGRAM.parser()
    return PROGRAM.run(parser, arguments)
