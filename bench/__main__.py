"""Entrance: `python -m bench` (see `make bench`); progress goes to stderr, the tables to stdout."""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.bench import run_bench
from bench.drain.bench import DrainPlan, run_drains
from bench.drain.report import drain_table
from bench.formats import costs_table, event_costs
from bench.items import items_table, run_items
from bench.latency import latency_table, run_latency
from bench.measuring import Plan, Say
from bench.report import save, table
from bench.rpc.run import rpc_table, run_rpc
from bench.sales.run import run_sales, sales_table
from bench.workloads import CEILING, DEFAULT, HOT, RANDOM, full_matrix
from bench.wrk import GeneratorError, require_wrk
from devservices.errors import DevServicesError
from devservices.instance import ROOT

WRONG = 1
INTAKE, DRAIN, LATENCY, ITEMS = "intake", "drain", "latency", "items"
RPC, SALES, FORMATS = "rpc", "sales", "formats"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every count agreed and no answer was an error, whatever the speed; 1 otherwise."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", file=sys.stderr, flush=True)

    parts: dict[str, Callable[[argparse.Namespace, Say], bool]] = {
        INTAKE: _intake,
        DRAIN: _drain,
        LATENCY: _latency,
        ITEMS: _items,
        RPC: _rpc,
        SALES: _sales,
        FORMATS: _formats,
    }
    # The sales need an environment of their own, which only those get who ask for it.
    all_ = [name for name in parts if name not in {SALES, FORMATS}]
    chosen = [options.part] if options.part else [INTAKE] if options.against else all_
    try:
        agreed = [parts[name](options, say) for name in chosen]
    except (GeneratorError, DevServicesError) as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("Interrupted: the servers of this bench are stopped and deleted.", file=sys.stderr)
        return WRONG
    return 0 if all(agreed) else WRONG


def _intake(options: argparse.Namespace, say: Say) -> bool:
    plan = _intake_plan(options)
    require_wrk()
    report = asyncio.run(run_bench(plan, against=options.against, seed=options.seed, say=say))
    print(table(report, plan.workloads))
    print(f"written to {save(report, INTAKE, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _formats(options: argparse.Namespace, say: Say) -> bool:
    require_wrk()
    plan = Plan((RANDOM,), options.rounds, options.seconds, half_load=False)
    report = asyncio.run(run_bench(plan, against=ROOT, seed=options.seed, say=say, avro=True))
    print("api sends JSON, other sends Avro")
    print(table(report, plan.workloads))
    print(costs_table(event_costs()))
    print(f"written to {save(report, FORMATS, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _drain(options: argparse.Namespace, say: Say) -> bool:
    plan = DrainPlan(rounds=options.rounds, memory=options.full, against=options.against)
    report = asyncio.run(run_drains(plan, seed=options.seed, say=say))
    print(drain_table(report))
    print(f"written to {save(report, DRAIN, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _latency(_options: argparse.Namespace, say: Say) -> bool:
    report = asyncio.run(run_latency(say=say))
    print(latency_table(report))
    print(f"written to {save(report, LATENCY, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _items(_options: argparse.Namespace, say: Say) -> bool:
    report = asyncio.run(run_items(say=say))
    print(items_table(report))
    print(f"written to {save(report, ITEMS, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _rpc(options: argparse.Namespace, say: Say) -> bool:
    report = asyncio.run(run_rpc(rounds=options.rounds, seconds=options.seconds, say=say))
    print(rpc_table(report))
    print(f"written to {save(report, RPC, report.machine['at'])}", file=sys.stderr)
    return True


def _sales(options: argparse.Namespace, say: Say) -> bool:
    report = asyncio.run(run_sales(rounds=options.rounds, say=say))
    print(sales_table(report))
    print(f"written to {save(report, SALES, report.machine['at'])}", file=sys.stderr)
    return not report.complaints


def _intake_plan(options: argparse.Namespace) -> Plan:
    if options.against:
        return Plan((CEILING, RANDOM, HOT), options.rounds, options.seconds, half_load=False)
    return Plan(full_matrix() if options.full else DEFAULT, options.rounds, options.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the pipeline.")
    parser.add_argument(
        "part",
        nargs="?",
        choices=[INTAKE, DRAIN, LATENCY, ITEMS, RPC, SALES, FORMATS],
        help="one part alone (default: all but sales and formats)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="the whole matrix of the intake; the worker's memory over 1,000,000",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each workload is run (default 3)")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each intake run is (default 8)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="repeat the load of a report")
    parser.add_argument(
        "--against",
        type=Path,
        help="another checkout: compare (a), (b), (c), or the drains, of both in the same rounds",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
