"""Settings reader: frozen structs from environment variables, every bad value reported at once."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


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
    """Build `kind` from the environment: field `database_url` reads `DATABASE_URL`, empty means unset.

    A struct may define `problems() -> list[str]` for rules between its fields; a sentence that begins with a
    variable's name is left out when that variable has a problem of its own. Required fields are texts.

    Raises:
        SettingsError: with every missing, malformed and contradictory value, secrets not printed.
    """
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        name = field.name.upper()
        text = environment.get(name, "").strip()
        if text:
            try:
                values[field.name] = _convert(text, hints[field.name])
            except (msgspec.ValidationError, ValueError) as error:
                problems[name] = f"{name}: {_reason(error)}"
        elif field.required:
            problems[name] = f"{name} is missing: set it in the environment (see .env.example)."
    settings = kind(**_stand_ins(kind, problems), **values)
    between: list[str] = getattr(settings, "problems", list)()
    found = [*problems.values(), *(each for each in between if not each.startswith(tuple(problems)))]
    if found:
        raise SettingsError(found)
    return settings


def _stand_ins(kind: type[msgspec.Struct], problems: Mapping[str, str]) -> dict[str, Any]:
    # So that the rules between fields are checked too, although a required field is missing or wrong.
    return {
        field.name: Secret("")
        for field in msgspec.structs.fields(kind)
        if field.required and field.name.upper() in problems
    }


def _convert(text: str, hint: Any) -> Any:
    if hint is Secret or hint == (Secret | None):
        return Secret(text)
    if hint is bool:
        text = text.lower()
    return msgspec.convert(text, hint, strict=False)


def _reason(error: Exception) -> str:
    # Only the rule, never the value: it may hold a password.
    return str(error).split(" - at ")[0] + "."
