"""Settings reader: frozen structs from the environment, every bad value reported at once."""

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

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


def look_at_settings(kind: type[T], environment: Mapping[str, str]) -> tuple[T, list[str]]:
    """As read_settings, with its sentences instead of an error, and stand-ins for what is wrong."""
    return _read(kind, environment, prefix="")


def variables(kind: type[msgspec.Struct], prefix: str = "") -> dict[str, msgspec.structs.FieldInfo]:
    """Every variable that `kind` reads, in the order of its fields."""
    found: dict[str, msgspec.structs.FieldInfo] = {}
    for field in msgspec.structs.fields(kind):
        name = prefix + field.name.upper()
        found |= variables(field.type, f"{name}_") if _is_group(field.type) else {name: field}
    return found


def is_file(path: str) -> bool:
    """Whether a setting names a file that can be seen from here, whatever it holds."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def secrets_inline(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The environment with each of these secrets under its own name, whichever of the two it had.

    Raises:
        SettingsError: a file cannot be read, or a secret has both names.
    """
    found = dict(environment)
    for name in names:
        try:
            found[name] = _text(name, Secret, environment)
        except _SecretFileError as error:
            raise SettingsError([str(error)]) from error
        found.pop(name + FILE_SUFFIX, None)
    return {name: value for name, value in found.items() if value or name in environment}


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
        except ValueError as error:
            problems[name] = f"{name}: {error}."
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
    same = (word for word in _choices(hint) if word.casefold() == text.casefold())
    try:
        return msgspec.convert(next(same, text), hint, strict=False)
    except msgspec.ValidationError as error:
        # The rule, never the value: it may be a password that was put under the wrong name.
        raise ValueError(f"must be {_rule(hint)}") from error


def _choices(hint: Any) -> list[str]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [str(member.value) for member in hint]
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(part)]


def _rule(hint: Any) -> str:
    kind = inspect.type_info(hint)
    described = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    if described and "description" in described:
        return str(described["description"])
    if choices := _choices(hint):
        return f"one of {', '.join(choices)}"
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return f"a {'whole ' if isinstance(kind, inspect.IntType) else ''}number{_bounds(kind)}"
    return "true or false" if isinstance(kind, inspect.BoolType) else "of another form (see .env.example)"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f" from {kind.ge}" if kind.ge is not None else "" if kind.gt is None else f" over {kind.gt}"
    return (
        low if kind.le is None else f"{low} to {kind.le}" if kind.gt is None else f"{low}, at most {kind.le}"
    )
