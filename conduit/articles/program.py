"""Entrance: the commands of articles."""

from collections.abc import Sequence

from conduit.articles.container import CommandContainer, Container
from conduit.articles.settings import ArticlesDatabaseSettings, ArticlesSettings
from kits.rpc_service.program import RpcServiceProgram

PROGRAM = RpcServiceProgram(
    name="conduit-articles",
    description="Articles of conduit, with their tags, favourites and comments.",
    database_settings=ArticlesDatabaseSettings,
    settings=ArticlesSettings,
    command_container=CommandContainer,
    container=Container,
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    parser, _ = PROGRAM.parser()
    return PROGRAM.run(parser, arguments)
