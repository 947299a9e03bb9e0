"""Terminal kit: who sits at it, for the audits."""

import getpass
import os


def system_user() -> str:
    """The name under which this process runs, or its number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
