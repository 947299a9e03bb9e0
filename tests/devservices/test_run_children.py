"""The processes of a run: watched, stopped in order, and ended by the next command after a crash."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservices import leftovers
from devservices.instance import ROOT, Instance
from devservices.processes import ManagedProcess, current, from_state
from devservices.run.children import ChildEndedError, Children
from devservices.run.commands import CommandFailedError, run_command
from devservices.run.signals import StopRequest, StopRequestedError
from tests.waiting import eventually, patient

SLEEP = "import time; time.sleep(60)"
IGNORE_SIGTERM = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
RUN_AND_STAY = """
import sys, time
from pathlib import Path
from devservices.instance import Instance
from devservices.run.children import Children
from devservices.run.signals import StopRequest
instance = Instance("x", home=Path(sys.argv[1]))
env = {"LOG_FILE": str(instance.logs / "x.jsonl"), "PATH": ""}
children = Children(instance, StopRequest())
child = children.start("api", "timeit", "-n1", "-r1", "import time; time.sleep(60)", env=env)
print(child.pid, child.started, flush=True)
time.sleep(60)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance("x", home=tmp_path)


@pytest.fixture
def stop() -> StopRequest:
    return StopRequest()


@pytest.fixture
def children(instance: Instance, stop: StopRequest) -> Iterator[Children]:
    started = Children(instance, stop)
    yield started
    stop.hurry.set()
    started.stop()


def start(children: Children, instance: Instance, name: str, code: str) -> ManagedProcess:
    env = {**os.environ, "LOG_FILE": str(instance.logs / f"{name}.jsonl"), "PYTHONUNBUFFERED": "1"}
    return children.start(name, "timeit", "-n1", "-r1", code, env=env)


def test_all_are_stopped_and_forgotten(children: Children, instance: Instance) -> None:
    started = [start(children, instance, name, SLEEP) for name in ("api", "worker")]
    assert all(child.alive for child in started)
    children.stop()
    assert not any(child.alive for child in started)
    assert leftovers.end_orphans(instance) == []


async def test_one_that_ignores_sigterm_is_killed_at_once_in_a_hurry(
    children: Children, instance: Instance, stop: StopRequest
) -> None:
    deaf = start(children, instance, "worker", IGNORE_SIGTERM)
    await eventually(lambda: "deaf" in deaf.last_lines())
    stopping = threading.Thread(target=children.stop)
    stopping.start()
    stop.hurry.set()
    await eventually(lambda: not stopping.is_alive())
    assert deaf.exit_code == -9


def test_one_that_ends_by_itself_is_named_with_its_last_words(children: Children, instance: Instance) -> None:
    child = start(children, instance, "worker", "import os; print('no database'); os._exit(3)")
    assert child.wait(within_seconds=patient(60))
    with pytest.raises(
        ChildEndedError, match=r"(?s)no database.*The worker ended by itself \(exit code 3\)"
    ) as ended:
        children.require_alive()
    assert str(child.log_path) in str(ended.value)


def test_waiting_ends_when_somebody_asks_for_the_end(children: Children, stop: StopRequest) -> None:
    stop.asked.set()
    with pytest.raises(StopRequestedError):
        children.wait_until(lambda: False, within_seconds=60)


def test_children_of_a_killed_run_are_ended_by_the_next_command(instance: Instance) -> None:
    command = [sys.executable, "-c", RUN_AND_STAY, str(instance.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, started = parent.stdout.readline().split()
        orphan = ManagedProcess("api", int(pid), started, Path(os.devnull))
        assert leftovers.end_orphans(instance) == []
        assert orphan.alive
        parent.kill()
    assert leftovers.active_run(instance) is None
    assert leftovers.end_orphans(instance) == ["api"]
    assert not orphan.alive


def test_a_process_id_that_now_belongs_to_another_process_is_not_taken_for_the_old_one() -> None:
    state = {**current().as_state(), "started": "an earlier boot:1"}
    remembered = from_state(json.loads(json.dumps(state)))
    assert remembered is not None
    assert not remembered.alive
    assert remembered.send_signal(9) is False


def test_a_failing_command_is_quoted_with_its_last_words(stop: StopRequest) -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)the reason.*timeit .* failed \(exit code 1\)"):
        run_command("timeit", "-n1", "-r1", "raise SystemError('the reason')", env=os.environ, stop=stop)
