"""First step of every make target: the packages of a lock file, by uv, which pip brings with its hash.

pip alone takes ten times the processor time. What the caller has configured for pip holds for uv as well.
Standard library only, and no syntax newer than Python 3.6, so that an old Python can say what is wrong.
"""

import ast
import ensurepip
import glob
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import zipfile
from typing import IO, Dict, List, Mapping, Sequence, Tuple

NETWORK_SIGNS = (
    "Retrying (", "connection broken", "Temporary failure in name resolution", "ProxyError",
    "error sending request", "error decoding response body",
)  # fmt: skip
PROBLEMS = (
    (
        ("DO NOT MATCH THE HASHES", "Hash mismatch"),
        (
            "A package is not the one that the lock file names:"
            " check the package index in use (pip config list), then run it again."
        ),
    ),
    (
        ("No space left on device", "Disk quota exceeded"),
        "The disk is full: free at least 2 GB, also where caches and temporary files go, and run it again.",
    ),
    (
        NETWORK_SIGNS,
        (
            "The package index cannot be reached:"
            " check the network, the proxy and pip's own settings (pip config list), then run it again."
        ),
    ),
    (
        ("No matching distribution found", "No solution found"),
        (
            "The package index lacks a package of the lock file, or cannot be reached:"
            " check the network and pip's own settings (pip config list), then run it again."
        ),
    ),
)


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence that says what to do."""


def make_environment(venv: str, lock: int, *, anew: bool) -> None:
    """An environment without packages, or, unless it is to be made `anew`, what is there already."""
    if anew:
        run_or_explain([sys.executable, "-m", "venv", "--clear", "--without-pip", venv], lock)


def install_packages(venv: str, lock_files: Sequence[str], lock: int) -> None:
    """Make the environment hold exactly what these files name; whatever it held before goes."""
    python, uv = (os.path.join(venv, "bin", name) for name in ("python", "uv"))
    wanted = entry_of("uv", lock_files[-1])
    with tempfile.TemporaryDirectory() as directory:
        environ = {**os.environ, "PYTHONPATH": unpacked_pip(directory)}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        try:
            listed = subprocess.check_output([*pip, "config", "list"], env=environ)
            settings = pip_settings(listed.decode("utf-8", "surrogateescape"))
        except (subprocess.SubprocessError, ValueError, SyntaxError):
            raise SetupError(
                "pip's settings cannot be read (pip config list): mend them, run it again."
            ) from None
        if not wanted.startswith(version_of(uv)):
            entry = os.path.join(directory, "uv.lock")
            with open(entry, "w") as handle:
                handle.write(wanted)
            chosen = [
                "install",
                "--quiet",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--no-deps",
                "--no-input",
            ]
            run_or_explain([*pip, *chosen, "-r", entry], lock, environ)
    sync = [uv, "pip", "sync", "--python", python, "--require-hashes", "--only-binary", ":all:"]
    run_or_explain(
        [*sync, *lock_files, *uv_options(settings)], lock, {**uv_environment(settings), **os.environ}
    )


def unpacked_pip(directory: str) -> str:
    """Where the pip that comes with this Python now lies: to install it would take longer than its work."""
    bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
    for place in (sysconfig.get_config_var("WHEEL_PKG_DIR"), bundled):
        for wheel in glob.glob(os.path.join(place, "pip-*.whl")) if place else ():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(os.path.join(directory, "pip"))
            return os.path.join(directory, "pip")
    raise SetupError("This Python has no pip of its own: install its venv package and run it again.")


def entry_of(name: str, lock_file: str) -> str:
    """The lines of one package: its version and its hashes."""
    with open(lock_file) as handle:
        found = re.search(
            r"^{}==[^\n]*(?:\n[ ]+--hash[^\n]*)*".format(re.escape(name)), handle.read(), re.MULTILINE
        )
    if found is None:
        raise SetupError("{} does not name {}: write it anew.".format(lock_file, name))
    return found.group().rstrip("\\ ") + "\n"


def version_of(uv: str) -> str:
    """How the line of this uv begins in a lock file; without one, what no line begins with."""
    try:
        words = subprocess.check_output([uv, "--version"], stderr=subprocess.DEVNULL).decode().split()
        return "uv=={} ".format(words[1])
    except (OSError, subprocess.SubprocessError, IndexError):
        return "\n"


def pip_settings(listed: str) -> Dict[str, List[str]]:
    """The words of each name in `pip config list`; the environment over `install`, that over `global`."""
    found = {}  # type: Dict[str, List[str]]
    lines = [line.partition("=") for line in listed.splitlines()]
    for scope in ("global.", "install.", ":env:."):
        for name, _, value in lines:
            if name.startswith(scope) and value:
                found[name[len(scope) :]] = str(ast.literal_eval(value)).split()
    return {name: words for name, words in found.items() if words}


def uv_options(settings: Mapping[str, Sequence[str]]) -> List[str]:
    """pip's settings that are options of uv."""
    options = ["--no-index"] if is_on(settings, "no-index") else []
    for place in settings.get("find-links", ()):
        # Where pip goes on with a warning, uv would end.
        if "://" in place or os.path.exists(os.path.expanduser(place)):
            options += ["--find-links", os.path.expanduser(place)]
    for host in settings.get("trusted-host", ()):
        options += ["--allow-insecure-host", host]
    return options


def uv_environment(settings: Mapping[str, Sequence[str]]) -> Dict[str, str]:
    """pip's settings that uv takes from the environment: an address may hold a password."""
    names = {
        "index-url": ["UV_DEFAULT_INDEX"],
        "extra-index-url": ["UV_INDEX"],
        "cert": ["SSL_CERT_FILE"],
        "client-cert": ["SSL_CLIENT_CERT"],
        "proxy": ["HTTPS_PROXY", "HTTP_PROXY"],
        "timeout": ["UV_HTTP_TIMEOUT"],
        "default-timeout": ["UV_HTTP_TIMEOUT"],
        "retries": ["UV_HTTP_RETRIES"],
        "keyring-provider": ["UV_KEYRING_PROVIDER"],
    }
    given = {uv: " ".join(words) for pip, words in settings.items() for uv in names.get(pip, ())}
    if is_on(settings, "no-cache-dir"):
        given["UV_NO_CACHE"] = "1"
    # As pip does it: every index counts alike (the hashes decide), and the system's certificates hold.
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_SYSTEM_CERTS": "1", **given}


def is_on(settings: Mapping[str, Sequence[str]], name: str) -> bool:
    """Whether a switch of pip is set."""
    return settings.get(name, ["0"])[0].lower() in ("1", "true", "yes", "on", "y", "t")


def run_or_explain(command: Sequence[str], lock: int, environ: Mapping[str, str] = os.environ) -> None:
    """Run with everything shown as it comes.

    The command holds the lock as well, so nobody starts over while it still writes, whoever has died.

    Raises:
        SetupError: it failed; the sentence says what to do.
    """
    code, words = run_and_listen(command, lock, environ)
    if code != 0:
        raise SetupError(problem_of(words))


def problem_of(words: str) -> str:
    """The one sentence for what a program said on stderr."""
    for signs, sentence in PROBLEMS:
        if any(sign in words for sign in signs):
            return sentence
    return "The packages could not be installed: see the words above, mend the cause and run it again."


def run_and_listen(command: Sequence[str], lock: int, environ: Mapping[str, str]) -> Tuple[int, str]:
    """The exit code, and what went to stderr."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        pass_fds=[lock],
        env=dict(environ),
    )
    heard = []  # type: List[bytes]
    listener = threading.Thread(target=pass_on, args=(process.stderr, heard))
    listener.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        listener.join()
    return code, b"".join(heard).decode("utf-8", "replace")


def pass_on(source: "IO[bytes]", heard: "List[bytes]") -> None:
    """Copy every line to stderr and keep it."""
    for line in source:
        heard.append(line)
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    source.close()
