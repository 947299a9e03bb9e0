"""What runs and where, for people and for programs."""

import re
from collections.abc import Mapping
from typing import Any

from devservices import leftovers
from devservices.stack import Server, Stack

_HOSTS = re.compile(r"[a-z+]+://(?:[^@/?#]*@)?([^@/?#]*)(?:/[^@?#]*)?(?:\?[^@#]*)?")


def describe(stack: Stack) -> dict[str, Any]:
    """State of an instance as plain values; no password in it.

    `state` of a server is running, stopped, silent (its process lives and does not answer) or external.
    """
    run = leftovers.active_run(stack.instance)
    servers: list[tuple[Server, str | None]] = [
        (stack.postgres, stack.external_database),
        (stack.kafka, stack.external_kafka),
    ]
    if stack.registry.exists or stack.external_registry is not None:
        servers.append((stack.registry, stack.external_registry))
    return {
        "instance": stack.instance.name,
        "directory": str(stack.instance.directory),
        "run": {"pid": run.pid} if run is not None else None,
        "servers": [_describe_server(server, external) for server, external in servers],
    }


def _describe_server(server: Server, external: str | None) -> dict[str, Any]:
    if external is not None:
        return {"name": server.name, "state": "external", "address": _without_secret(external)}
    process = server.process
    state = "stopped" if process is None else "running" if server.is_running() else "silent"
    return {
        "name": server.name,
        "state": state,
        "address": f"127.0.0.1:{server.port}" if server.port else None,
        "pid": process.pid if process is not None else None,
        "log": str(server.log_path),
    }


def _without_secret(address: str) -> str:
    """The hosts alone; nothing of an address whose password may reach into them."""
    if "://" not in address:
        return address
    found = _HOSTS.fullmatch(address)
    return found[1] if found else "(not shown: its special characters are not percent-encoded)"


def as_table(description: Mapping[str, Any]) -> str:
    """The same for a terminal."""
    rows = [("SERVER", "STATE", "ADDRESS", "PID", "LOG")]
    for server in description["servers"]:
        values = (server.get(key) for key in ("name", "state", "address", "pid", "log"))
        name, state, address, pid, log = ("-" if value is None else str(value) for value in values)
        rows.append((name, state, address, pid, log))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    run = description["run"]
    lines.append(f"`run` is active (process {run['pid']})." if run else "No `run` is active.")
    return "\n".join(line.rstrip() for line in lines)
