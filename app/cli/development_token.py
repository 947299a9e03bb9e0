"""Entrance: `token`, for trying the service without an identity provider."""

import argparse

from app.cli.environment import settings_of
from app.settings import TokenCommandSettings
from kits.terminal.arguments import Commands, positive, scopes, subject
from kits.terminal.printing import say
from kits.web.tokens.verifier import issue_token

_TOKEN_SECONDS = 24 * 3600


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    token = commands.add_parser("token", help="print a development token")
    token.set_defaults(command=_token)
    token.add_argument("--sub", type=subject, required=True, help="the customer")
    token.add_argument("--scope", type=scopes, default="", help="scopes, separated by blanks")
    token.add_argument("--seconds", type=positive, help="how long it is valid, by default as long as it may")


def _token(options: argparse.Namespace) -> int:
    settings = settings_of(TokenCommandSettings)
    longest = settings.jwt.max_lifetime_seconds or _TOKEN_SECONDS
    say(
        issue_token(
            settings.jwt.secret,
            options.sub,
            issuer=settings.jwt.issuer,
            audience=settings.jwt.audience,
            token_type=settings.jwt.type,
            scopes=options.scope.split(),
            ttl_seconds=options.seconds or min(longest, _TOKEN_SECONDS),
        )
    )
    return 0
