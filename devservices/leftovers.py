"""Processes of an earlier `run`: found again and ended when nobody looks after them any more."""

from pathlib import Path

from devservices import state
from devservices.instance import Instance
from devservices.processes import ManagedProcess, current, from_state

STOP_SECONDS = 15.0
RUN_STOP_SECONDS = 90.0


def remember(instance: Instance, children: list[ManagedProcess]) -> None:
    """Write down which processes this run started, so that a later command can end them if this one dies."""
    values = {"parent": current().as_state(), "children": [child.as_state() for child in children]}
    state.save(_path(instance), values)


def forget(instance: Instance) -> None:
    """All were stopped in order."""
    _path(instance).unlink(missing_ok=True)


def active_run(instance: Instance) -> ManagedProcess | None:
    """The run that looks after this instance's processes now, if any."""
    owner = _owner(instance)
    return owner if owner is not None and owner.pid != current().pid else None


def end_orphans(instance: Instance) -> list[str]:
    """End the processes of a run that died; those of a living run are left alone. Returns their names."""
    if _owner(instance) is not None:
        return []
    known = [from_state(values) for values in state.load(_path(instance)).get("children", [])]
    orphans = [child for child in known if child is not None and child.alive]
    for child in reversed(orphans):
        child.stop(STOP_SECONDS)
    forget(instance)
    return [child.name for child in orphans]


def end_run(instance: Instance) -> None:
    """Ask a living run to end, as Ctrl-C would, wait for it within a bound, then end what is left of it."""
    run = active_run(instance)
    if run is not None:
        run.stop(RUN_STOP_SECONDS)
    end_orphans(instance)


def _owner(instance: Instance) -> ManagedProcess | None:
    parent = from_state(state.load(_path(instance)).get("parent"))
    return parent if parent is not None and parent.alive else None


def _path(instance: Instance) -> Path:
    return instance.directory / "run.json"
