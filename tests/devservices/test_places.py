"""The servers in places as people have them: any letters, any locale, an ordinary user."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservices.instance import CACHE, ROOT
from tests.waiting import patient

# What an ordinary user does, who may not read the files of the Python that root has: they are loaded before.
AS_AN_ORDINARY_USER = """
import encodings.ascii, encodings.idna, encodings.utf_16_be, os, sys
from pathlib import Path
from devservices import ports
from devservices.instance import Instance
from devservices.stack import Stack

if os.geteuid() == 0:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[2]))
ports.HOME = Path(sys.argv[1])
stack = Stack(Instance("dev", Path(sys.argv[1])), environ={})
try:
    print([server.name for server in stack.up()])
    print(all(server.is_running() for server in stack.own_servers()))
    data = [*stack.instance.directory.rglob("data/meta.properties"), stack.postgres.data / "PG_VERSION"]
    print([path.name for path in data if path.exists()])
finally:
    stack.reset()
print(sorted(os.listdir(sys.argv[1])))
"""


@pytest.fixture
def parent(kafka_servers: str) -> Iterator[Path]:
    """A folder of an ordinary user; Kafka's files are there, since a server of it has started."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize("name", ["plain", "주문 é a,b%i'\"\\x$HOME:"])
def test_an_ordinary_user_has_servers_in_any_place_and_locale(parent: Path, name: str) -> None:
    """All data land below the place, and go with reset."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    home = parent / name
    home.mkdir()
    (home / "cache").symlink_to(CACHE)
    for path in (parent, home):
        os.chown(path, user.pw_uid, user.pw_gid)
    done = subprocess.run(
        [sys.executable, "-c", AS_AN_ORDINARY_USER, str(home), str(user.pw_uid), str(user.pw_gid)],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "LANG": "C", "LC_ALL": "C"},
        capture_output=True, text=True, timeout=patient(200), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "['postgres', 'kafka']",
        "True",
        "['meta.properties', 'PG_VERSION']",
        "['cache', 'locks']",
    ]
    assert [each.name for each in parent.iterdir()] == [name]
