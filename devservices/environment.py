"""Values that the development services read from the environment."""

from collections.abc import Mapping

from devservices.errors import DevServicesError
from devservices.ports import LOOPBACK
from kits.env_file import with_env_file
from kits.settings import SettingsError, secrets_inline

SECRETS = (
    "DATABASE_URL",
    "WORKER_DATABASE_URL",
    "MEMBERS_DATABASE_URL",
    "JWT_SECRET",
    "MEMBER_API_TOKEN",
    "DATA_PLATFORM_TOKEN",
)


class EnvFileError(DevServicesError):
    """`.env`, or the file of a secret, cannot be read."""

    code = "env_file_invalid"


class PortNameError(DevServicesError):
    """A port in the environment is no port number."""

    code = "port_invalid"


def environment() -> dict[str, str]:
    """What the caller set, completed by `.env` as the product's own processes complete it.

    Secrets that it gives as files are read: a run hands them on under their own names.

    Raises:
        EnvFileError: a file cannot be read.
    """
    try:
        return secrets_inline(with_env_file(), SECRETS)
    except SettingsError as error:
        raise EnvFileError(str(error)) from error


def port_from(environ: Mapping[str, str], name: str, default: int) -> int:
    """A port number from the environment.

    Raises:
        PortNameError: what stands there is no port number.
    """
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise PortNameError(f"{name} is no port: set it to a number from 1 to 65535.")
    return int(text)


def reachable(environ: Mapping[str, str], host_name: str, port: int) -> str:
    """Where this machine reaches a server that listens on the host of this setting, or on loopback."""
    host = environ.get(host_name, "").strip().removeprefix("[").removesuffix("]")
    host = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
