"""Entrance: `catalogue import`, `catalogue audit` and `stock add`, for the people who keep the shop."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from app.application.catalogue_changes import Verdict
from app.application.catalogue_errors import CouponLimitsError
from app.application.catalogue_import import ImportRequest, ImportTally
from app.application.catalogue_ports import StockMovement
from app.application.errors import StorageBusyError, StorageConflictError, StorageUnavailableError
from app.cli import catalogue_audit
from app.cli.catalogue_file import CatalogueFile, CatalogueFileError, read_catalogue
from app.cli.environment import FAILED, database, settings_of
from app.settings import DatabaseCommandSettings
from kits.terminal.arguments import Commands, difference, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain, say

_IMPORT = """\
Brings products and coupons to what FILE says; what FILE does not name stays. One JSON object per line:

  {"type":"product","id":"p-1","name":"Espresso beans 1 kg","price":1500,"currency":"KRW","stock":100}
  {"type":"coupon","code":"WELCOME10","kind":"percent","value":10,"validUntil":"2027-01-01T00:00:00Z"}

Amounts are whole numbers in the currency's minor unit. A product may also have: sellerId (of the member who
sells it). A coupon may also have: currency (needed for kind "fixed" and with minimumSubtotal),
minimumSubtotal, validFrom, totalLimit, customerLimit. What is left out is taken away.
A coupon keeps its count of uses, and its code is kept in capital letters.

`stock` is the opening stock of a new product (0 without it). A product that exists keeps its stock, whatever
the file says: orders take from it meanwhile. Change it with `stock add`.

Orders go on during the import: it works in batches of 500 and holds each lock for moments. Wrong lines are
all told at once, and then nothing is written. Importing the same file again changes nothing, so an import
that was interrupted is finished by repeating it. Every change is kept: see `catalogue audit`."""
_ADD = """\
Adds N pieces to the stock of a product, or takes them away if N is negative; never below 0. Orders go on
meanwhile. Who, when, how many and why is kept in the same transaction: see `catalogue audit`."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    look = argparse.RawDescriptionHelpFormatter
    group = commands.add_parser("catalogue", help="import products and coupons; their audit").add_subparsers(
        metavar="import | audit", required=True
    )
    catalogue_audit.add_command(group)
    imported = group.add_parser("import", help="upsert by id", description=_IMPORT, formatter_class=look)
    imported.set_defaults(command=_import)
    imported.add_argument("file", metavar="FILE", help="JSON lines in UTF-8; - for standard input")
    imported.add_argument("--dry-run", action="store_true", help="tell what would change, write nothing")
    imported.add_argument("--by", type=words, help="who does it (default: the user of the system)")
    group = commands.add_parser("stock", help="change the stock of a product").add_subparsers(
        metavar="add", required=True
    )
    add = group.add_parser("add", help="add or take away pieces", description=_ADD, formatter_class=look)
    add.set_defaults(command=_add)
    add.add_argument("product", metavar="PRODUCT", type=words, help="its id")
    add.add_argument("pieces", metavar="N", type=difference, help="how many; negative to take away")
    add.add_argument("--reason", type=words, required=True, help="why; kept in the audit")
    add.add_argument("--by", type=words, help="who does it (default: the user of the system)")


def _import(options: argparse.Namespace) -> int:
    settings = settings_of(DatabaseCommandSettings)
    catalogue = _read(options.file)
    request = ImportRequest(
        products=catalogue.products,
        coupons=catalogue.coupons,
        actor=options.by or system_user(),
        source="standard input" if options.file == "-" else Path(options.file).name,
        dry_run=options.dry_run,
    )
    try:
        tally = asyncio.run(_importing(settings, request))
    except CouponLimitsError as error:
        raise CatalogueFileError(_limit_faults(error.codes, catalogue)) from error
    except (StorageUnavailableError, StorageBusyError, StorageConflictError) as error:
        complain(f"{error} The import is not complete: repeat it, it goes on where it was.")
        return FAILED
    say(_told(tally, dry_run=options.dry_run))
    return 0


async def _importing(settings: DatabaseCommandSettings, request: ImportRequest) -> ImportTally:
    async with database(settings) as container:
        return await container.catalogue_import().run(request)


def _read(name: str) -> CatalogueFile:
    if name == "-":
        return read_catalogue(sys.stdin.buffer)
    with Path(name).open("rb") as file:
        return read_catalogue(file)


def _limit_faults(codes: Mapping[str, int], catalogue: CatalogueFile) -> list[str]:
    lines = sorted((catalogue.line_of[f"coupon {code}"], code, used) for code, used in codes.items())
    return [
        f"line {line}: coupon {code} was used {used} times already: `totalLimit` must not be lower."
        for line, code, used in lines
    ]


def _told(tally: ImportTally, *, dry_run: bool) -> str:
    done = f"Products: {_counts(tally.products)}. Coupons: {_counts(tally.coupons)}."
    return f"Nothing was written; an import would do this. {done}" if dry_run else done


def _counts(counted: Counter[Verdict]) -> str:
    return ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict)


def _add(options: argparse.Namespace) -> int:
    settings = settings_of(DatabaseCommandSettings)
    try:
        say(asyncio.run(_adding(settings, options)))
    except StorageUnavailableError as error:
        complain(f"{error} Look into `catalogue audit` before you repeat it.")
        return FAILED
    except (StorageBusyError, StorageConflictError) as error:
        complain(f"{error} The stock is as it was: repeat it later.")
        return FAILED
    return 0


async def _adding(settings: DatabaseCommandSettings, options: argparse.Namespace) -> str:
    async with database(settings) as container:
        new_id = container.new_id()
        movement = StockMovement(
            movement_id=new_id(),
            product_id=options.product,
            delta=options.pieces,
            actor=options.by or system_user(),
            reason=options.reason,
        )
        done = await container.stock_keeping().add(movement)
        return f"Product {options.product} has {done.stock_after} pieces now ({options.pieces:+})."
