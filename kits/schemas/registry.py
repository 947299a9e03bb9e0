"""Schemas kit: a registry with Confluent's REST interface over HTTP. Two calls, one deadline each."""

import asyncio
import ssl
from base64 import b64encode
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from kits.observability.printable import printable, without_secrets
from kits.schemas.settings import SchemaRegistrySettings
from kits.settings import Secret
from kits.web.addresses import is_base_address
from kits.web.bounded_response import BoundedResponse, read_bounded

LARGEST_ID = 2**31 - 1
"""Registries count in Java's int; more fits into a record's four bytes, and no registry knows it."""
MAX_ANSWER_BYTES = 262_144
AVRO = "AVRO"

_SCHEMA_NOT_FOUND = 40403
_REFUSALS = frozenset({400, 409, 422})
_WORDS_CHARACTERS = 300
_JSON = "application/vnd.schemaregistry.v1+json"
_HEADERS = {"Accept": f"{_JSON}, application/json", "Content-Type": _JSON, "Accept-Encoding": "identity"}
_ACTIONS = {
    401: "give it credentials that it accepts",
    403: "give its user the right to read and write schemas",
    404: "set SCHEMA_REGISTRY_URL to the base of its Confluent interface (Apicurio: /apis/ccompat/v7)",
    429: "it is asked too often by all its clients together",
}
_REDIRECTED = "redirects are not followed, set SCHEMA_REGISTRY_URL to where it leads"
_LOOK = "look at the registry and at SCHEMA_REGISTRY_URL"

T = TypeVar("T")
_Id = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]


class _Registered(msgspec.Struct, frozen=True):
    id: _Id


class _FoundSchema(msgspec.Struct, frozen=True, rename="camel"):
    schema: str
    schema_type: str | None = None
    references: list[msgspec.Raw] | None = None


class _Refused(msgspec.Struct, frozen=True):
    error_code: int
    message: str = ""


class _Answer(NamedTuple):
    status: int
    body: bytes


class RegistryUnavailableError(Exception):
    """The registry did not do its part now: an outage. What was asked is not known; ask again later."""

    code = "registry_unavailable"

    def __init__(self, reason: str, action: str = _LOOK) -> None:
        super().__init__(f"The schema registry is away ({reason}): {action}.")


class UnknownSchemaError(Exception):
    """A healthy registry has no Avro schema under this id; to ask again helps only after a registration."""

    code = "schema_unknown"

    def __init__(self, schema_id: int, reason: str) -> None:
        self.schema_id = schema_id
        super().__init__(f"Schema {schema_id} {reason}.")


class SchemaRefusedError(Exception):
    """The registry does not take this definition: it is invalid, or breaks with a former version."""

    code = "schema_refused"

    def __init__(self, subject: str, status: int, words: str) -> None:
        self.subject = subject
        self.status = status
        super().__init__(f"The schema registry refuses the schema of {subject} ({status}): {words}")


class SchemaRegistry:
    """A schema registry over HTTP/1.1; an empty `url` is never asked.

    A call is one request and has one deadline for all of it: nothing is tried again here, redirects are not
    followed, and an answer may have 256 KiB. Nothing is remembered. Whatever is not a readable answer of a
    registry is an outage. Errors never show the credentials.
    """

    def __init__(
        self,
        *,
        url: str,
        within_seconds: float = 2.0,
        username: str = "",
        password: Secret = Secret(""),  # noqa: B008 - a text
        token: Secret = Secret(""),  # noqa: B008
        ca_file: str = "",
    ) -> None:
        """Nothing is contacted yet.

        Args:
            url: base of the Confluent interface, without user and password.
            username: for Basic authentication, with `password`; what Confluent calls an API key.
            token: a bearer token, instead of them.
            ca_file: PEM file of the authority that the registry's certificate is from; empty: the system's.

        Raises:
            ValueError: `url` is no such address.
        """
        if url and not is_base_address(url):
            raise ValueError("the address of the schema registry must be like https://schemas.example")
        self._url = url.rstrip("/")
        self._within_seconds = within_seconds
        self._headers = _HEADERS | _authorization(username, password, token)
        self._is_secured = url.startswith("https:")
        self._ca_file = ca_file

    @property
    def has_address(self) -> bool:
        """Whether there is one to ask."""
        return bool(self._url)

    async def register(self, subject: str, definition: str) -> int:
        """The id of this Avro definition (JSON text) under a subject; registered if it is not yet.

        The same definition again gives the same id, as long as the registry keeps what it has.

        Raises:
            SchemaRefusedError: it is invalid, or the subject's rules forbid the change.
            RegistryUnavailableError: whether it is registered now is not known.
        """
        body = msgspec.json.encode({"schema": definition})
        answer = await self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", body)
        if answer.status in _REFUSALS and (refused := _readable(answer, _Refused)) is not None:
            raise SchemaRefusedError(subject, answer.status, _words(refused.message))
        return _expected(answer, _Registered).id

    async def definition(self, schema_id: int) -> str:
        """The Avro definition (JSON text) that has this id; it never changes while the registry lives.

        Raises:
            UnknownSchemaError: there is none, or it is none of Avro, or it is spread over several schemas.
            RegistryUnavailableError: not known now.
        """
        if not 0 <= schema_id <= LARGEST_ID:
            raise UnknownSchemaError(schema_id, "cannot be: no registry gives such an id")
        answer = await self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer.status == 404:
            refused = _readable(answer, _Refused)
            if refused is not None and refused.error_code == _SCHEMA_NOT_FOUND:
                raise UnknownSchemaError(schema_id, "is not known to the schema registry")
        found = _expected(answer, _FoundSchema)
        if (found.schema_type or AVRO).upper() != AVRO:
            raise UnknownSchemaError(schema_id, f"is none of Avro but {_words(found.schema_type or '')}")
        if found.references:
            raise UnknownSchemaError(schema_id, "refers to others, which are not followed")
        return found.schema

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> _Answer:
        if not self._url:
            raise RegistryUnavailableError("it has no address", "set SCHEMA_REGISTRY_URL")
        try:
            async with (
                asyncio.timeout(self._within_seconds),
                self._session() as session,
                session.request(method, self._url + path, data=body, allow_redirects=False) as answer,
            ):
                return _Answer(answer.status, await read_bounded(answer.content, MAX_ANSWER_BYTES + 1))
        except TimeoutError as error:
            raise RegistryUnavailableError(f"no answer within {self._within_seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RegistryUnavailableError(_words(str(error)) or type(error).__name__) from error

    def _session(self) -> aiohttp.ClientSession:
        # It is asked seldom: a kept connection would only be one that has ended meanwhile.
        tls = ssl.create_default_context(cafile=self._ca_file or None) if self._is_secured else True
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=None),
            response_class=BoundedResponse,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


def registry_of(settings: SchemaRegistrySettings) -> SchemaRegistry:
    """The registry that the settings name; without an address it is never asked."""
    return SchemaRegistry(url=settings.url, username=settings.username, password=settings.password)


def _authorization(username: str, password: Secret, token: Secret) -> dict[str, str]:
    if token:
        return {"Authorization": f"Bearer {str.__str__(token)}"}
    if username:
        pair = f"{username}:{str.__str__(password)}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}
    return {}


def _expected(answer: _Answer, kind: type[T]) -> T:
    if answer.status != 200:
        action = _REDIRECTED if 300 <= answer.status < 400 else _ACTIONS.get(answer.status, _LOOK)
        raise RegistryUnavailableError(f"it answers {answer.status}", action)
    if len(answer.body) > MAX_ANSWER_BYTES:
        raise RegistryUnavailableError(f"it answers with more than {MAX_ANSWER_BYTES // 1024} KiB")
    if (found := _readable(answer, kind)) is None:
        raise RegistryUnavailableError("its answer is none of a schema registry", _ACTIONS[404])
    return found


def _readable(answer: _Answer, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _words(text: str) -> str:
    """What somebody else said, for a log: short, without secrets and without what steers a terminal."""
    return printable(without_secrets(text[:_WORDS_CHARACTERS]))
