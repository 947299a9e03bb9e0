"""Entrance: `python -m bench.abuse` (see `make abuse`); progress goes to stderr, the figures to stdout."""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Sequence

from bench.abuse.run import AbusePlan, run_abuse, table
from bench.report import save
from devservices.errors import DevServicesError

WRONG = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Flood; 0 when every legitimate order was accepted, whatever the speed; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.abuse", description="Orders beside floods.")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long the floods last (default 300)")
    parser.add_argument("--only", metavar="FLOOD", help="one kind alone, for example metrics")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="repeat the orders of a run")
    options = parser.parse_args(arguments)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        report = asyncio.run(
            run_abuse(AbusePlan(seconds=options.seconds, only=options.only), seed=options.seed, say=say)
        )
    except DevServicesError as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted: the servers of this run are stopped and deleted.", file=sys.stderr)
        return WRONG
    print(table(report))
    print(f"written to {save(report, 'abuse', report.machine['at'])}", file=sys.stderr)
    if report.refused:
        print(f"WRONG: {report.refused} legitimate orders were not accepted.")
    return WRONG if report.refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
