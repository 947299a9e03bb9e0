"""Faults that a machine may not allow: the campaign hears why, and goes on."""

from pathlib import Path

import pytest

from chaos.clock import LIBRARY_NAME, JumpingClocks
from chaos.disk import NotPossibleError, SmallDisk


def test_without_libfaketime_no_clock_jumps_and_the_reason_names_it(tmp_path: Path) -> None:
    """Nothing is put before the processes either."""
    clocks = JumpingClocks(tmp_path, {LIBRARY_NAME: str(tmp_path / "missing.so")})
    assert clocks.environment("api-1") == {}
    with pytest.raises(NotPossibleError, match="libfaketime"):
        clocks.jump("api-1", 60)
    clocks.mend("api-1")


def test_each_process_has_a_clock_of_its_own_and_monotonic_time_stays_true(tmp_path: Path) -> None:
    """A jump is a line in a file that the library reads."""
    library = tmp_path / "libfaketime.so.1"
    library.touch()
    clocks = JumpingClocks(tmp_path, {LIBRARY_NAME: str(library)})
    one, other = clocks.environment("api-1"), clocks.environment("api-2")
    assert one["LD_PRELOAD"] == str(library)
    assert one["FAKETIME_DONT_FAKE_MONOTONIC"] == "1"
    clocks.jump("api-1", -7200)
    assert Path(one["FAKETIME_TIMESTAMP_FILE"]).read_text() == "-7200"
    assert Path(other["FAKETIME_TIMESTAMP_FILE"]).read_text() == "+0"
    clocks.mend("api-1")
    assert Path(one["FAKETIME_TIMESTAMP_FILE"]).read_text() == "+0"


def test_a_disk_that_could_not_be_mounted_is_never_filled(tmp_path: Path) -> None:
    """The machine's own file system is left alone."""
    disk = SmallDisk(tmp_path, owner=1, why_not="mount: permission denied")
    with pytest.raises(NotPossibleError, match="permission denied"):
        disk.fill()
    disk.free()
