"""Entrance: the commands of the contracts. Results go to stdout, logs and errors to stderr."""

import argparse
import asyncio
from collections.abc import Sequence

from contracts.asyncapi import FILE, asyncapi_text
from contracts.avro_schemas import avro_file, avro_schemas, avro_text
from contracts.json_schemas import SCHEMAS, schema_file, schema_text
from contracts.schema_check import faults, publish
from contracts.schema_registration import RegistrationSettings, registered
from kits.env_file import with_env_file
from kits.observability.logs import configure_logging
from kits.postgres.diagnosis import DATABASE_ERRORS, diagnose_statement
from kits.postgres.readiness import DatabaseUnreachableError
from kits.schemas.known_schemas import SchemaIdInUseError
from kits.schemas.registry import RegistryUnavailableError, SchemaRefusedError
from kits.settings import SettingsError, read_settings
from kits.terminal.printing import complain, say, say_table

DONE, FAILED, USAGE_ERROR = 0, 1, 2
_CHECK = """\
Offline. Every schema is as its struct says, and reads and is read by all of its published versions: whoever
reads the events need not change before their writer, nor after it."""
_REGISTER = """\
Tells the registry (SCHEMA_REGISTRY_URL) every schema, and writes the ids into the databases of the shop, the
inbox and the members, where running processes find them. Safe to repeat. An id that is in use never changes.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    options = _parser().parse_args(arguments)
    commands = {"write": _write, "check": _check, "register": _register}
    try:
        return commands[options.command]()
    except SettingsError as error:
        complain("The settings are not valid:", *error.problems)
        return USAGE_ERROR
    except (
        RegistryUnavailableError, SchemaRefusedError, SchemaIdInUseError, DatabaseUnreachableError,
    ) as error:  # fmt: skip
        complain(error)
        return FAILED
    except DATABASE_ERRORS as error:
        complain(diagnose_statement(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m contracts", description="What travels between processes."
    )
    parser.set_defaults(command="write")
    families = parser.add_subparsers(metavar="command", title="commands (without one: write the schemas)")
    actions = families.add_parser("schemas", help="Avro").add_subparsers(
        metavar="check | register", dest="command", required=True
    )
    actions.add_parser("check", help="may they change like this?", description=_CHECK)
    actions.add_parser("register", help="tell the registry and the databases", description=_REGISTER)
    return parser


def _write() -> int:
    for ce_type in SCHEMAS:
        schema_file(ce_type).write_text(schema_text(ce_type), encoding="utf-8")
    FILE.write_text(asyncapi_text(), encoding="utf-8")
    for schema in avro_schemas().values():
        avro_file(schema).write_text(avro_text(schema), encoding="utf-8")
        publish(schema)
    return _check()


def _check() -> int:
    found = [fault for schema in avro_schemas().values() for fault in faults(schema)]
    complain(*found)
    return FAILED if found else DONE


def _register() -> int:
    settings = read_settings(RegistrationSettings, with_env_file())
    configure_logging(process="contracts", settings=settings.log)
    ids, places = asyncio.run(registered(settings))
    say_table([("id", "schema"), *((str(schema.id), schema.subject) for schema in ids)])
    say(*places)
    return DONE
