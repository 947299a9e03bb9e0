"""Settings reader: the file `.env` of the working directory, beside which the environment itself wins."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from kits.settings import FILE_SUFFIX, SettingsError

ENV_FILE = "ENV_FILE"
"""Names another file; /dev/null: none at all."""
DEFAULT = ".env"
_LARGEST = 1_048_576

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=")
_QUOTED = (
    r"""[ \t]*(?:'(?P<literal>[^']*)'|"(?P<quoted>(?:[^"\\]|\\.)*)")(?:[ \t]+#[^\n]*)?[ \t\r]*(?:\n|\Z)"""
)
_PLAIN = r"""(?![ \t]*['"])(?P<plain>[^\n]*)(?:\n|\Z)"""
_VALUE = re.compile(f"{_QUOTED}|{_PLAIN}", re.DOTALL)
_COMMENT = re.compile(r"[ \t]+#.*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def with_env_file(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment, completed by the file; a name that the environment has, even empty, keeps its value.

    A secret has two names, NAME and NAME_FILE: the environment's one wins over either of the file.

    Raises:
        SettingsError: as read_env_file() does.
    """
    other_names = {_other_name(name) for name in environ if "_" in name}
    found = read_env_file(environ).items()
    return {**{name: value for name, value in found if name not in other_names}, **environ}


def _other_name(name: str) -> str:
    return name.removesuffix(FILE_SUFFIX) if name.endswith(FILE_SUFFIX) else name + FILE_SUFFIX


def read_env_file(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The names and values of `.env` in the working directory, or of the file that ENV_FILE names.

    Lines are `NAME=value`, after `export` if you like; ` #` begins a comment, `$` means itself. A value may
    stand in single quotes, which take it as it is, or in double ones, which know \\n, \\r, \\t, \\" and \\\\;
    quoted, it may go over several lines. The last value of a name counts. A missing `.env` is an empty one.

    Raises:
        SettingsError: a named file is missing, it cannot be read, or a line is none; no value is repeated.
    """
    named = environ.get(ENV_FILE, "").strip()
    path = Path(named or DEFAULT)
    if not named and not path.exists():
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(
            [f"{path} cannot be read ({reason}): mend it, or name another with {ENV_FILE}."]
        ) from error
    if len(content) > _LARGEST or "\0" in text:
        raise SettingsError(
            [f"{path} is no file of settings: it is too large, or has bytes that are no text."]
        )
    return dict(_entries(text, path))


def _entries(text: str, path: Path) -> Iterator[tuple[str, str]]:
    at = _after_blank(text, 0)
    while at < len(text):
        name = _NAME.match(text, at)
        value = _VALUE.match(text, name.end()) if name else None
        if name is None or value is None:
            line = text.count("\n", 0, at) + 1
            raise SettingsError(
                [f"{path}, line {line}: must be NAME=value; quotes are closed at the end of a value."]
            )
        yield name[1], _decoded(value)
        at = _after_blank(text, value.end())


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _decoded(value: re.Match[str]) -> str:
    if (quoted := value["quoted"]) is not None:
        return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), quoted)
    if (literal := value["literal"]) is not None:
        return literal
    return _COMMENT.sub("", value["plain"]).strip()
