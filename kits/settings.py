"""Settings reader: frozen structs from the environment, every bad value reported at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

FILE_SUFFIX = "_FILE"
_MAX_SECRET_BYTES = 64 * 1024


class Secret(str):
    """A string that never shows itself in a repr, a log line or an error."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class SettingsError(Exception):
    """The environment does not make valid settings; `problems` has one sentence per bad value."""

    code = "settings_invalid"

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def read_settings(kind: type[T], environment: Mapping[str, str]) -> T:
    """Build `kind` from the environment.

    A field that is a struct is a group, and its name the prefix: `kafka.bootstrap_servers` reads
    `KAFKA_BOOTSTRAP_SERVERS`. Empty means unset. A struct may define `problems() -> list[str]` for rules
    between its fields; a sentence that begins with a variable's name is left out when that variable has a
    problem of its own. Required fields are texts.

    A secret may stand in a file instead (as container platforms mount them): `NAME_FILE` is its path, and one
    line end at its end does not count.

    Raises:
        SettingsError: with every missing, malformed and contradictory value, secrets not printed.
    """
    settings, problems = _read(kind, environment, prefix="")
    if problems:
        raise SettingsError(problems)
    return settings


def variables(kind: type[msgspec.Struct], prefix: str = "") -> dict[str, msgspec.structs.FieldInfo]:
    """Every variable that `kind` reads, in the order of its fields."""
    found: dict[str, msgspec.structs.FieldInfo] = {}
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name.upper()
        found |= variables(field.type, f"{name}_") if _is_group(field.type) else {name: field}
    return found


def _read(kind: type[T], environment: Mapping[str, str], prefix: str) -> tuple[T, list[str]]:
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    in_groups: list[str] = []
    for field in msgspec.structs.fields(kind):
        name, hint = prefix + field.name.upper(), hints[field.name]
        if _is_group(hint):
            values[field.name], found = _read(hint, environment, f"{name}_")
            in_groups += found
            continue
        try:
            text = _text(name, hint, environment)
            if text:
                values[field.name] = _convert(text, hint)
            elif field.required:
                problems[name] = f"{name} is missing: set it in the environment (see .env.example)."
        except _SecretFileError as error:
            problems[name] = str(error)
        except (msgspec.ValidationError, ValueError) as error:
            problems[name] = f"{name}: {_reason(error)}"
        if field.required and name in problems:
            # A stand-in, so that the rules between fields are checked too.
            values[field.name] = Secret("")
    settings = kind(**values)
    between: list[str] = getattr(settings, "problems", list)()
    own = [*problems.values(), *(each for each in between if not each.startswith(tuple(problems)))]
    return settings, own + in_groups


def _is_group(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


class _SecretFileError(Exception):
    """Why a secret cannot be read from its file; never its path or content: either may hold the secret."""


def _text(name: str, hint: Any, environment: Mapping[str, str]) -> str:
    text = environment.get(name, "").strip()
    file_name = name + FILE_SUFFIX
    path = environment.get(file_name, "").strip() if is_secret(hint) else ""
    if not path:
        return text
    if text:
        raise _SecretFileError(f"{name} and {file_name} are both set: keep one of them.")
    try:
        return _content_of(Path(path))
    except UnicodeDecodeError:
        raise _SecretFileError(f"{file_name}: the file is not UTF-8 text.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _SecretFileError(f"{file_name}: the file cannot be read: {reason}.") from None


def _content_of(path: Path) -> str:
    if path.exists() and not path.is_file():
        # A pipe that nobody writes to would hold the start for ever.
        raise ValueError("it is no ordinary file")
    with path.open("rb") as file:
        content = file.read(_MAX_SECRET_BYTES + 1)
    text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    if not text or len(content) > _MAX_SECRET_BYTES:
        raise ValueError(f"it is empty or larger than {_MAX_SECRET_BYTES} bytes")
    return text


def is_secret(hint: Any) -> bool:
    """Whether a field of this type is a secret, and may stand in a file."""
    return bool(hint is Secret or hint == (Secret | None))


def _convert(text: str, hint: Any) -> Any:
    if is_secret(hint):
        return Secret(text)
    if hint is bool:
        text = text.lower()
    return msgspec.convert(text, hint, strict=False)


def _reason(error: Exception) -> str:
    # Only the rule, never the value: it may hold a password.
    return str(error).split(" - at ")[0] + "."
