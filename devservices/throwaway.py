"""Instances that live as long as one process: a test session, a measurement."""

import os

from devservices import kafka_archive, state
from devservices.instance import CACHE, HOME, Instance
from devservices.kafka import KafkaServer
from devservices.processes import current, from_state
from devservices.stack import Stack

OWNER_FILE = "owner.json"


def claim(purpose: str, *, fsync: bool = True) -> Stack:
    """Servers for this process alone (not started yet); what dead owners left is deleted first.

    Without `fsync` PostgreSQL is quicker; only a crash of the whole machine would show the difference.
    Owners start many brokers: the first one makes the archive from which all start quicker.
    """
    sweep(purpose)
    instance = Instance(f"{purpose}-{os.getpid()}")
    release(Stack(instance, environ={}))
    state.save(instance.directory / OWNER_FILE, current().as_state())
    _make_archive(instance)
    return Stack(instance, environ={}, fsync=fsync)


def _make_archive(instance: Instance) -> None:
    """Where the instance's own broker will be: what kills that one's leftovers kills this one's."""
    file = kafka_archive.archive_file(CACHE)
    if file is None or file.exists():
        return
    directory = instance.directory / "kafka"
    trainee = KafkaServer(directory, java_options=kafka_archive.recording(file, directory))
    kafka_archive.make(file, trainee)


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
