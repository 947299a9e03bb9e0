"""Logs: structured events to stderr, and as JSON lines to a file if one is named."""

import io
import logging
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any, Literal, TextIO, cast

import msgspec
import stamina
import structlog
from structlog.typing import ExcInfo, FilteringBoundLogger, Processor

from kits.observability.printable import cleaned, masked, printable, without_secrets
from kits.observability.traces import current_traceparent, trace_id
from kits.settings import SettingsError

_THIRD_PARTY = logging.WARNING
_NOT_FIELDS = {"exc_info", "stack_info", "exception", "_record", "_from_structlog"}


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings group `LOG_…` of a process."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level of our own lines; libraries are heard from `warning` on."""
    format: Literal["console", "json"] = "console"
    """How lines look on stderr."""
    file: str = ""
    """A file that gets every line as JSON as well."""


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of one module; give it `__name__`. Safe to call at import: nothing is configured by it."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def configure_logging(
    *, process: str, settings: LogSettings | None = None, quiet: Sequence[str] = ()
) -> None:
    """Send every log of this process, third-party ones too, to stderr and to the settings' file.

    Args:
        process: the name that every line carries in the field `process`.
        quiet: libraries that shout many lines a second during an outage that our own lines tell of once;
            they are heard at level debug only.

    Raises:
        SettingsError: the file cannot be opened.
    """
    settings = settings or LogSettings()
    threshold = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_process(process),
        name_trace,
        mask_secrets,
    ]
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_formatter(settings.format, shared))
    handlers: list[logging.Handler] = [stream]
    if settings.file:
        sink = _file_handler(settings.file)
        sink.setFormatter(_formatter("json", shared))
        handlers.append(sink)
    stamina.instrumentation.set_on_retry_hooks([_tell_of_retry])
    logging.basicConfig(level=_THIRD_PARTY, handlers=handlers, force=True)
    for name in ("app", "worker", "services", "conduit", "contracts", "kits"):
        logging.getLogger(name).setLevel(threshold)
    for name in quiet if settings.level != "debug" else ():
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=True,
    )


def _tell_of_retry(details: stamina.instrumentation.RetryDetails) -> None:
    # The library's own line has no action, and shows the arguments.
    get_logger(__name__).warning(
        "work_repeated",
        work=details.name,
        attempt=details.retry_num,
        reason=getattr(details.caused_by, "code", None) or type(details.caused_by).__name__,
        again_in_seconds=round(details.wait_for, 2),
        action="none, it is tried again",
    )


def name_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the trace that is being worked on: lines of several processes belong together by it."""
    if found := trace_id(current_traceparent.get()):
        event.setdefault("trace_id", found)
    return event


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secrets in every field, at any depth."""
    for key, value in event.items():
        if key not in _NOT_FIELDS:
            event[key] = masked(key, value)
    return event


def _file_handler(path: str) -> logging.Handler:
    try:
        return logging.FileHandler(path, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no file's name"
        raise SettingsError([f"LOG_FILE: cannot be opened ({reason})."]) from error


def _name_process(process: str) -> Processor:
    def add(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def _formatter(log_format: str, shared: list[Processor]) -> logging.Formatter:
    renderers: list[Processor] = (
        [structlog.processors.format_exc_info, _mask_trace, structlog.processors.JSONRenderer(default=str)]
        if log_format == "json"
        else [
            _make_printable,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_print_trace),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )


def _mask_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if isinstance(event.get("exception"), str):
        event["exception"] = without_secrets(event["exception"])
    return event


def _make_printable(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {printable(key): value if key in _NOT_FIELDS else cleaned(value) for key, value in event.items()}


def _print_trace(stream: TextIO, exc_info: ExcInfo) -> None:
    """Every line indented, so that none that an exception brings can pass for one of ours.

    (The pretty renderer prints local variables, and with them tokens and payloads.)
    """
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    lines = without_secrets(plain.getvalue()).split("\n")
    stream.writelines(f"\n    {printable(line)}" for line in lines if line)
