"""The campaigns' machinery works, and leaves nothing behind."""

import asyncio
import os
import secrets
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest

from chaos.guardian import MARK, Guardian, marked
from chaos.plan import smoke_plan
from chaos.report import Report
from devservices.instance import HOME, ROOT
from tests.waiting import eventually, patient

SLEEPER = f"""
import os, subprocess, sys, time
from chaos.guardian import Guardian
with Guardian(sys.argv[1], os.getpid()):
    subprocess.Popen(["sleep", "60"], env={{**os.environ, "{MARK}": sys.argv[1]}}, start_new_session=True)
    time.sleep(60)
"""


async def test_a_short_campaign_breaks_things_and_finds_every_promise_kept(tmp_path: Path) -> None:
    """Kills, a broken network, half-taken batches, refusals; exit 0, a report, no process left."""
    seed = secrets.randbits(31)
    print(f"seed {seed}")  # noqa: T201
    command = [sys.executable, "-m", "chaos", "--smoke", "--seed", str(seed), "--results", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    (path,) = tmp_path.glob("*/report.json")
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    assert report.plan == smoke_plan(seed)
    assert report.violations == []
    assert report.figures.orders > 0
    assert report.figures.dead_letters > 0
    assert {each.mended_at is not None for each in report.injected} == {True}
    assert len(report.injected) == len(report.plan.steps)
    assert marked(f"chaos-{process.pid}") == []
    assert not (HOME / f"chaos-{process.pid}").exists()


async def test_a_campaign_that_is_killed_leaves_no_process_behind() -> None:
    """Nobody is left to clean up but the guardian."""
    instance = f"chaos-test-{os.getpid()}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER, instance, cwd=ROOT)
    try:
        await eventually(lambda: len(marked(instance)) == 1)
    finally:
        process.kill()
        await process.wait()
    await eventually(lambda: marked(instance) == [])


def test_the_guardian_ends_paused_processes_too() -> None:
    """A fault may have stopped one when the campaign ended."""
    instance = f"chaos-test-{os.getpid()}"
    with Guardian(instance, os.getpid()):
        sleeper = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: instance})
        psutil.Process(sleeper.pid).suspend()
    assert sleeper.wait(timeout=patient(60)) == -9


@pytest.mark.parametrize("words", [["--plan", "--seed", "5"], ["--plan", "--seed", "5", "--minutes", "60"]])
def test_the_plan_of_a_seed_can_be_read_without_running_it(words: list[str]) -> None:
    """Every fault stands in it."""
    done = subprocess.run(
        [sys.executable, "-m", "chaos", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=patient(60),
    )
    assert "seed 5" in done.stderr
    assert "kill kafka for" in done.stderr
