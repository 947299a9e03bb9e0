"""What can go wrong while development services are started, each in one sentence that says what to do."""


class DevServicesError(Exception):
    """Root of all expected failures; the message is one sentence for the person at the terminal."""

    code = "dev_services_failed"


class PackageMissingError(DevServicesError):
    """A Python package that carries a server is not installed in this environment."""

    code = "package_missing"


class DownloadError(DevServicesError):
    """A server's files could not be fetched, or are not the files that are expected."""

    code = "download_failed"


class ServerStartError(DevServicesError):
    """A server ended before it answered, or did not answer in time."""

    code = "server_start_failed"


class PortTakenError(DevServicesError):
    """A port that has to be this one is in use by somebody else."""

    code = "port_taken"


class LockTimeoutError(DevServicesError):
    """Another command works on the same instance and did not finish in time."""

    code = "lock_timeout"


class ExternalDatabaseError(DevServicesError):
    """Something that has to lie in a database of ours was asked for beside one of somebody else."""

    code = "external_database"


class NotRunningError(DevServicesError):
    """The command needs servers that are not running."""

    code = "not_running"


class JourneyError(DevServicesError):
    """The demonstration orders were refused, or did not arrive in order in time."""

    code = "journey_failed"
