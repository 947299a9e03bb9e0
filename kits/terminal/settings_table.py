"""Terminal kit: the settings that are in force, secrets masked, and where each comes from."""

import os
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from kits.env_file import DEFAULT, ENV_FILE, with_env_file
from kits.observability.printable import MASK, without_secrets
from kits.settings import FILE_SUFFIX, SettingsError, is_secret, look_at_settings, variables

WRONG = "?"


def settings_table(
    kind: type[msgspec.Struct], environ: Mapping[str, str] = os.environ
) -> tuple[list[tuple[str, str, str]], list[str]]:
    """NAME, VALUE and FROM of every setting, and what is wrong with them, as a start would tell it.

    The value of a setting that is wrong or missing is `?`. FROM is default, environment or the file's name.
    """
    try:
        in_force = with_env_file(environ)
    except SettingsError as error:
        return [], error.problems
    settings, problems = look_at_settings(kind, in_force)
    values = dict(_values(settings, ""))
    wrong = {problem.partition(":")[0].partition(" ")[0].removesuffix(FILE_SUFFIX) for problem in problems}
    rows = [("NAME", "VALUE", "FROM")]
    for name, field in variables(kind).items():
        secret = is_secret(field.type)
        shown = WRONG if name in wrong else MASK if secret and values[name] else _shown(values[name])
        names = [name, name + FILE_SUFFIX] if secret else [name]
        given = next((each for each in names if in_force.get(each, "").strip()), None)
        origin = _origin(given, environ) if given or name not in wrong else "missing"
        rows.append((name, shown, origin if given in (name, None) else f"{origin} ({given})"))
    return rows, problems


def _values(settings: msgspec.Struct, prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        full = prefix + name.upper()
        found += _values(value, f"{full}_") if isinstance(value, msgspec.Struct) else [(full, value)]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return f"{value:g}"
    return without_secrets("" if value is None else str(value))


def _origin(given: str | None, environ: Mapping[str, str]) -> str:
    if given is None:
        return "default"
    return "environment" if given in environ else environ.get(ENV_FILE, "").strip() or DEFAULT
