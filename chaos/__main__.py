"""Entrance: `python -m chaos` (see `make chaos`); faults go to stderr as they come, figures to stdout."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaos.campaign import Campaign
from chaos.plan import Plan, make_plan, smoke_plan
from chaos.report import RESULTS, Report, lines, save
from devservices.errors import DevServicesError

WRONG = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign; 0 without violations, 1 with, 130 when it was interrupted."""
    options = _parser().parse_args(arguments)
    plan = smoke_plan(options.seed) if options.smoke else make_plan(options.seed, options.minutes)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", file=sys.stderr, flush=True)

    _tell(plan, say)
    if options.plan:
        return 0
    directory = options.results / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{plan.seed}"
    campaign = Campaign(plan, per_second=options.orders_per_second, directory=directory, say=say)
    try:
        report = asyncio.run(_until_signal(campaign))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"Interrupted: all is stopped and deleted; the logs are in {directory}.", file=sys.stderr)
        return INTERRUPTED
    except (DevServicesError, ExceptionGroup) as error:
        traceback.print_exception(error)
        print(f"The campaign itself failed; the logs are in {directory}.", file=sys.stderr)
        return WRONG
    return _conclude(report, directory)


async def _until_signal(campaign: Campaign) -> Report:
    """SIGTERM ends a campaign as Ctrl-C does."""
    task = asyncio.ensure_future(campaign.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _tell(plan: Plan, say: Callable[[str], None]) -> None:
    say(f"seed {plan.seed} (SEED={plan.seed} runs the same plan again)")
    for phase in plan.phases:
        for name, lane in phase.lanes.items():
            say(f"plan: {phase.name}, {name}: {'; '.join(map(str, lane))}")


def _conclude(report: Report, directory: Path) -> int:
    """Print and save; the logs stay only where something is wrong."""
    logs = directory / "logs"
    if report.violations:
        report.logs = str(logs)
    else:
        shutil.rmtree(logs, ignore_errors=True)
    path = save(report, directory)
    print("\n".join(lines(report)))
    print(f"written to {path}", file=sys.stderr)
    return WRONG if report.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description="Breaks everything while orders flow, then looks for violations."
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="rounds of ten minutes (default 10)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="repeat the plan of a report")
    parser.add_argument("--orders-per-second", type=float, default=16.0, help="default 16")
    parser.add_argument("--smoke", action="store_true", help="a few faults only, half a minute")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the report and logs go")
    parser.add_argument("--plan", action="store_true", help="print the plan and end")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
