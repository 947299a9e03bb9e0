"""Values that the development services read from the environment."""

from collections.abc import Mapping

from devservices.errors import DevServicesError


class PortNameError(DevServicesError):
    """A port in the environment is no port number."""

    code = "port_invalid"


def port_from(environ: Mapping[str, str], name: str, default: int) -> int:
    """A port number from the environment.

    Raises:
        PortNameError: what stands there is no port number.
    """
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise PortNameError(f"{name} is {text!r}: set it to a port number from 1 to 65535.")
    return int(text)
