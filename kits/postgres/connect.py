"""PostgreSQL connections: one host after the other, as libpq does, each within its bound."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from kits.postgres.address import DatabaseAddress, Host
from kits.postgres.parameters import connect_seconds, driver_options

CONNECT_SECONDS = 5.0
_COMMAND_SECONDS = 15
_BOUND = "lock_timeout"
# One of our bounds for all of them, by a question that needs no prepared statement.
_IS_IN_FORCE = "SELECT 1 / (current_setting('{name}')::interval = '{value} ms'::interval)::int"
_TRANSACTION = "transaction_timeout"
# Older servers do not know it, and refuse a start with what they do not know.
_BOUND_TRANSACTIONS = (
    "SELECT set_config('{name}', '{value}', {local})"
    " WHERE CAST(current_setting('server_version_num') AS int) >= 170000"
)
_NEXT_HOST = (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)


class SessionSettingsLostError(asyncpg.InterfaceError):  # type: ignore[misc]
    """What stands between us and the server does not pass on the settings that bound our waits."""

    code = "session_settings_lost"


async def connect(address: DatabaseAddress, *, application_name: str, session: Mapping[str, str]) -> Any:
    """A connection of the driver to the first host that answers and is what `target_session_attrs` asks for.

    A host has `connect_timeout` (5 s) for itself: the driver gives one bound to all of them, and a first host
    that swallows packets would use it up. A host that refuses the user is the last one that is asked.
    `session` are settings of ours; those that the address itself sets in `options` stay as it says.

    Raises:
        SessionSettingsLostError: a pooler keeps our bounds from the server.
        OSError, asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError: of the last host.
    """
    options = {
        **driver_options(address.parameters),
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "timeout": connect_seconds(address.parameters, CONNECT_SECONDS),
        "command_timeout": _COMMAND_SECONDS,
        "server_settings": _server_settings(address, application_name, session),
    }
    connection = await _first_that_answers(address, options)
    bounds = {name: session[name] for name in session if name not in address.own_settings}
    if _BOUND in bounds:
        await _see_that_it_is_in_force(connection, bounds)
    return connection


def transaction_bound(milliseconds: int, *, local: bool = False) -> str:
    """A statement that bounds the session's transactions, or with `local` this one; 0: no bound."""
    return _BOUND_TRANSACTIONS.format(name=_TRANSACTION, value=milliseconds, local=str(local).lower())


async def _first_that_answers(address: DatabaseAddress, options: Mapping[str, Any]) -> Any:
    failed: Exception = OSError("no host was tried")
    for wanted in _rounds(address.parameters.get("target_session_attrs")):
        for host in address.hosts or (None,):
            try:
                return await asyncpg.connect(**_place(host), target_session_attrs=wanted, **options)
            except _NEXT_HOST as error:
                failed = error
    raise failed


async def _see_that_it_is_in_force(connection: Any, bounds: Mapping[str, str]) -> None:
    asked = _IS_IN_FORCE.format(name=_BOUND, value=bounds[_BOUND])
    if _TRANSACTION in bounds:
        asked += f"; {transaction_bound(int(bounds[_TRANSACTION]))}"
    try:
        await connection.execute(asked)
    except asyncpg.DivisionByZeroError:
        connection.terminate()
        raise SessionSettingsLostError(f"{_BOUND} is not in force") from None
    except BaseException:
        connection.terminate()
        raise


def _rounds(wanted: str | None) -> tuple[str | None, ...]:
    # The driver knows it too, but among the hosts of one call only.
    return ("standby", "any") if wanted == "prefer-standby" else (wanted,)


def _place(host: Host | None) -> dict[str, Any]:
    return {} if host is None else {"host": host.name, "port": host.port}


def _server_settings(
    address: DatabaseAddress, application_name: str, session: Mapping[str, str]
) -> dict[str, str]:
    parameters, own = address.parameters, address.own_settings
    settings = {name: value for name, value in session.items() if name.lower() not in {*own, _TRANSACTION}}
    if "application_name" not in own:
        given = parameters.get("application_name") or parameters.get("fallback_application_name")
        settings["application_name"] = given or application_name
    if options := parameters.get("options"):
        settings["options"] = options
    return settings
