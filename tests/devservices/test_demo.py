"""`make demo` as a user meets it, beside whatever else runs on this machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from devservices import ports, throwaway
from devservices.instance import ROOT
from devservices.run.offered import CONDUIT, MEMBERS
from devservices.stack import Stack
from tests.commands import PASSED_ON
from tests.pages import as_shown, shell_examples
from tests.waiting import patient

README = ROOT / "README.md"

ELSEWHERE = {
    "DATABASE_URL",
    "WORKER_DATABASE_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "DATA_PLATFORM_URL",
    "JWT_SECRET",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    claimed = throwaway.claim("demo")
    yield claimed
    throwaway.release(claimed)


def test_the_demo_shows_each_order_arrive_ends_with_success_and_leaves_nothing_running(
    stack: Stack, tmp_path: Path
) -> None:
    """With a copy of .env.example that names other ports, which is all that it changes; and with members."""
    api, worker, platform, ops, *members = (str(port) for port in ports.choose_free(6))
    env_file = tmp_path / "settings"
    given = f"API_PORT={api}\nexport WORKER_PORT='{worker}'\nPLATFORM_PORT={platform} # free now\n"
    given += f"OPS_PORT={ops}\nMEMBERS_PORT={members[0]}\nMEMBERS_OPS_PORT={members[1]}\n"
    env_file.write_text((ROOT / ".env.example").read_text(encoding="utf-8") + given, encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "devservices",
            "run",
            "--until-arrived",
            "--with",
            "members",
            "--instance",
            stack.instance.name,
        ],
        cwd=ROOT,
        env={**env, "ENV_FILE": str(env_file)},
        capture_output=True,
        text=True,
        timeout=patient(240),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("event_arrived") == 5
    assert done.stdout.count("coupon WELCOME10") == 2
    assert "The seller of product p-1 is Hong Gildong (source replica, as of 20" in done.stdout
    assert f"curl http://127.0.0.1:{api}/products/p-1" in done.stdout
    assert all(ports.is_free(int(port)) for port in (api, worker, platform, ops, *members))
    assert not any(server.is_running() for server in stack.own_servers())


def shell(script: str, **environ: str) -> str:
    """What a shell of a newcomer says to these lines; each of them must succeed."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env={**kept, **environ},
        capture_output=True, text=True, timeout=patient(60), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def the_page_of_conduit_is_right(gateway: str) -> None:
    """Its commands, one after the other in one shell, are answered as it says."""
    examples = shell_examples(ROOT / "docs" / "conduit.md")
    script = "".join(f"{commands}printf '\\n--\\n'\n" for commands, _ in examples)
    answers = shell(script.replace("127.0.0.1:8030", gateway)).split("\n--\n")
    for (commands, shown), answer in zip(examples, answers, strict=False):
        assert as_shown(shown, json.loads(answer)), f"{commands}{answer}"
    assert len(examples) == len(answers) - 1 == 5


def test_the_readme_goes_on_beside_a_run_as_it_is_written(stack: Stack) -> None:
    """An order by curl, paid and fulfilled, and a command of the worker; only ports and ids are changed.

    With neighbours: what is printed of them works as it stands, and so does conduit's own page.
    """
    names = ["API_PORT", "WORKER_PORT", "PLATFORM_PORT", *MEMBERS.ports, *CONDUIT.ports]
    chosen = dict(zip(names, map(str, ports.choose_free(len(names))), strict=True))
    found = re.search(
        r"```\n(source \.venv.*?\n\n)(.*?)ORDER=…[^\n]*\n(.*?)```", README.read_text(), re.DOTALL
    )
    assert found is not None
    begin, place, go_on = (
        part.replace("devservices env", f"devservices env --instance {stack.instance.name}").replace(
            "127.0.0.1:8000", f"127.0.0.1:{chosen['API_PORT']}"
        )
        for part in found.groups()
    )
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    command = [sys.executable, "-m", "devservices", "run", "--instance", stack.instance.name]
    command += ["--with", " members, conduit,"]
    with subprocess.Popen(command, cwd=ROOT, env={**env, **chosen}, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            said = list(takewhile(lambda line: "Ctrl-C stops everything" not in line, run.stdout))
            assert f"  members    http://127.0.0.1:{chosen['MEMBERS_PORT']}/docs\n" in said
            printed = "".join(line for line in said if "TOKEN='" in line or "-X PUT" in line)
            answer = shell(printed, **chosen)
            assert answer.startswith("HTTP/1.1 200"), answer
            assert '"name":"Hopper Grace"' in answer
            gateway = f"127.0.0.1:{chosen['CONDUIT_GATEWAY_PORT']}"
            register, _, query = [line for line in said if "curl" in line and gateway in line][-3:]
            assert shell(register, **chosen).startswith("HTTP/1.1 201")
            assert "four-processes-and-a-broker" in shell(query, **chosen)
            the_page_of_conduit_is_right(gateway)
            answer = shell(begin + place, **chosen)
            assert answer.startswith("HTTP/1.1 202"), answer
            order_id = json.loads(answer.splitlines()[-1])["orderId"]
            answers = shell(f"{begin}ORDER={order_id}\n{go_on}", **chosen)
            assert answers.count("HTTP/1.1 200") == 2, answers
            assert '"status":"FULFILLED"' in answers
            told = shell(f"{begin}python -m devservices status --instance {stack.instance.name}", **chosen)
            assert "external" not in told, told
        finally:
            run.send_signal(signal.SIGINT)
        assert run.wait(timeout=patient(60)) == 0
    assert not any(server.is_running() for server in stack.own_servers())


def test_a_taken_port_is_told_before_anything_starts(stack: Stack) -> None:
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    names = ("WORKER_PORT", "PLATFORM_PORT", "OPS_PORT")
    free = dict(zip(names, map(str, ports.choose_free(3)), strict=True))
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "devservices", "run", "--instance", stack.instance.name],
            cwd=ROOT,
            env={**env, **free, "API_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Port {port} is in use: stop what listens there, or choose another with API_PORT=<port>."
    )
    assert stack.postgres.process is None
