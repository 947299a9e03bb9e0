"""Instances that live as long as one process: a test session, a measurement."""

import os

from devservices import state
from devservices.instance import HOME, Instance
from devservices.processes import current, from_state
from devservices.stack import Stack

OWNER_FILE = "owner.json"


def claim(purpose: str, *, fsync: bool = True) -> Stack:
    """Servers for this process alone (not started yet); what dead owners left is deleted first.

    Without `fsync` PostgreSQL is quicker; only a crash of the whole machine would show the difference.
    """
    sweep(purpose)
    instance = Instance(f"{purpose}-{os.getpid()}")
    release(Stack(instance, environ={}))
    state.save(instance.directory / OWNER_FILE, current().as_state())
    return Stack(instance, environ={}, fsync=fsync)


def release(stack: Stack) -> None:
    """Stop the servers and delete everything they left."""
    for server in (stack.registry, stack.kafka, stack.postgres):
        server.kill()
    stack.reset()
    stack.instance.lock.unlink(missing_ok=True)


def sweep(purpose: str) -> list[str]:
    """Delete the instances whose owner has ended; returns their names."""
    swept = []
    for directory in sorted(HOME.glob(f"{purpose}-*")):
        owner = from_state(state.load(directory / OWNER_FILE))
        # Without an owner it is an instance that somebody named so: not ours to delete.
        if owner is not None and not owner.alive:
            release(Stack(Instance(directory.name), environ={}))
            swept.append(directory.name)
    return swept
