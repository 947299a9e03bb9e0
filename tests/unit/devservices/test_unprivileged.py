"""Where a server that may not run as root keeps its files."""

import os
from pathlib import Path

from devservices.unprivileged import PUBLIC_HOME, Account, reachable

NOBODY = Account("nobody", 65534, 65534)


def test_a_folder_that_nobody_can_enter_is_used_as_it_is() -> None:
    open_to_all = Path("/tmp")  # noqa: S108 - a folder that everybody can enter
    assert reachable(open_to_all / "order-pipeline-x", NOBODY) == open_to_all / "order-pipeline-x"


def test_a_folder_behind_a_closed_door_is_moved_and_always_found_again(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    place = reachable(closed / "cluster", NOBODY)
    assert place.parent == PUBLIC_HOME
    assert place == reachable(closed / "cluster", NOBODY)
    assert place != reachable(closed / "other" / "cluster", NOBODY)


def test_an_ordinary_user_keeps_its_files_where_they_are(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    caller = Account(None, os.geteuid(), os.getegid())
    assert reachable(closed / "cluster", caller) == closed / "cluster"
