"""Entrance: `python -m bench` (see `make bench`); progress goes to stderr, the table to stdout."""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.bench import run_bench
from bench.measuring import Plan
from bench.report import save, table
from bench.workloads import CEILING, DEFAULT, HOT, RANDOM, full_matrix
from bench.wrk import GeneratorError, require_wrk
from devservices.errors import DevServicesError

WRONG = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every count agreed and no answer was an error, whatever the speed; 1 otherwise."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", file=sys.stderr, flush=True)

    plan = _plan(options)
    try:
        require_wrk()
        report = asyncio.run(run_bench(plan, against=options.against, seed=options.seed, say=say))
    except (GeneratorError, DevServicesError) as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted: the servers of this bench are stopped and deleted.", file=sys.stderr)
        return WRONG
    print(table(report, plan.workloads))
    print(f"written to {save(report)}", file=sys.stderr)
    return WRONG if report.complaints else 0


def _plan(options: argparse.Namespace) -> Plan:
    if options.against:
        return Plan((CEILING, RANDOM, HOT), options.rounds, options.seconds, half_load=False)
    return Plan(full_matrix() if options.full else DEFAULT, options.rounds, options.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the order intake.")
    parser.add_argument("--full", action="store_true", help="the whole matrix of connections, lines, coupon")
    parser.add_argument("--rounds", type=int, default=3, help="how often each workload is run (default 3)")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each run is (default 8)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="repeat the load of a report")
    parser.add_argument(
        "--against", type=Path, help="another checkout: compare (a), (b), (c) of both in the same rounds"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
