"""How many files and connections this process may have open."""

import resource

from kits.observability.logs import get_logger

log = get_logger(__name__)

_OTHER_DESCRIPTORS = 256


def allow_descriptors(connections: int) -> None:
    """Let this process have so many connections beside its other files, as far as the system allows it.

    The soft limit is often 1,024, which connections alone would reach: then the database has none left.
    """
    needed = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        action = "raise the limit of open files (ulimit -n), or lower MAX_CONNECTIONS"
        log.warning("few_descriptors", allowed=allowed, needed=needed, action=action)
