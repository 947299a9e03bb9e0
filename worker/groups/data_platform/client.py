"""Data platform, adapter: its API over HTTP. Turns whatever happens into an Answer; decides nothing."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from kits.observability.traces import TRACEPARENT, continue_trace
from kits.settings import Secret
from kits.web.bounded_response import BoundedResponse, read_bounded
from worker.groups.data_platform.answers import BROKEN, TIMEOUT, UNREACHABLE, Answer, retry_after
from worker.inbox.item import InboxItem

_TIMEOUT_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
# Shorter than what servers usually allow: a connection that is closed while we use it costs a repeat.
_KEEP_ALIVE_SECONDS = 4.0
_BODY_BYTES = 1_048_576
_REASON_CHARACTERS = 500
_JSON = {"Content-Type": "application/json"}
_REPLAY = {"X-Replay": "true"}


class _BatchItem(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    event_id: str
    order_id: str
    seq: int
    traceparent: str
    event: msgspec.Raw


class _BatchBody(msgspec.Struct, frozen=True):
    events: list[_BatchItem]


class _EventResult(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    event_id: str
    status: str
    reason: str | None = None


class _Results(msgspec.Struct, frozen=True):
    results: list[_EventResult]


class DataPlatformClient:
    """The data platform over HTTP/1.1 with at most `connections` connections.

    A call ends within 10 s. Redirects are not followed, at most 1 MiB of an answer is read. The body of a
    single call is the event's bytes as they were on Kafka; `Idempotency-Key` is its event id.
    """

    def __init__(self, *, url: str, token: Secret, connections: int, ca_file: str = "") -> None:
        """Connect later.

        Args:
            ca_file: PEM file of the authority that the platform's certificate is from; empty: the system's.
        """
        self._single_url = f"{url.rstrip('/')}/order-events"
        self._batch_url = f"{self._single_url}/batch"
        self._headers = _JSON | ({"Authorization": f"Bearer {str.__str__(token)}"} if token else {})
        self._connections = connections
        self._tls = ssl.create_default_context(cafile=ca_file or None)
        self._results = msgspec.json.Decoder(_Results)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                ttl_dns_cache=30,
                keepalive_timeout=_KEEP_ALIVE_SECONDS,
                ssl=self._tls,
            ),
            response_class=BoundedResponse,
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, item: InboxItem, *, begin_within: float) -> Answer:
        """Send one event; it leaves within `begin_within` seconds or not at all."""
        headers = {
            "Idempotency-Key": item.id,
            "X-Order-Id": item.key,
            "X-Order-Seq": str(item.number),
            TRACEPARENT: _trace_of(item),
        } | (_REPLAY if item.replayed else {})
        answer, _ = await self._post(self._single_url, item.payload, headers, begin_within, batch=False)
        return answer

    async def send_batch(self, items: Sequence[InboxItem], *, begin_within: float) -> list[Answer]:
        """Send events of different orders, all of them replayed or none; one answer for each, in their order.

        Only a readable 200 says something of each; anything else is the same answer for all.
        """
        body = msgspec.json.encode(_BatchBody([_in_batch(item) for item in items]))
        headers = _REPLAY if items[0].replayed else {}
        answer, content = await self._post(self._batch_url, body, headers, begin_within, batch=True)
        if answer.status != 200:
            return [answer] * len(items)
        try:
            results = {result.event_id: result for result in self._results.decode(content).results}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [Answer(200, batch=True, reason=str(error))] * len(items)
        return [_answer_of(results.get(item.id)) for item in items]

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], begin_within: float, *, batch: bool
    ) -> tuple[Answer, bytes]:
        if self._session is None:
            raise RuntimeError("The client is not open.")
        bounds = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS, connect=min(_CONNECT_SECONDS, begin_within))
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, timeout=bounds
            ) as response:
                content = await read_bounded(response.content, _BODY_BYTES)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientSSLError,
            aiohttp.ConnectionTimeoutError,
        ) as error:
            return Answer(failure=UNREACHABLE, batch=batch, reason=_short(error)), b""
        except (TimeoutError, aiohttp.ServerTimeoutError):
            reason = f"no answer within {_TIMEOUT_SECONDS:.0f} s"
            return Answer(failure=TIMEOUT, batch=batch, reason=reason), b""
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            return Answer(failure=BROKEN, batch=batch, reason=_short(error)), b""
        answer = Answer(
            response.status,
            batch=batch,
            reason="" if response.status < 300 else content[:_REASON_CHARACTERS].decode("utf-8", "replace"),
            is_page=response.content_type in {"text/html", "application/xhtml+xml"},
            retry_after_seconds=retry_after(response.headers.get("Retry-After"), now=time.time()),
        )
        return answer, content


def _in_batch(item: InboxItem) -> _BatchItem:
    return _BatchItem(
        event_id=item.id,
        order_id=item.key,
        seq=item.number,
        traceparent=_trace_of(item),
        event=msgspec.Raw(item.payload),
    )


def _trace_of(item: InboxItem) -> str:
    for name, value in item.headers:
        if name == TRACEPARENT:
            return continue_trace(value.decode("latin-1"))
    return continue_trace(None)


def _answer_of(result: _EventResult | None) -> Answer:
    if result is None:
        return Answer(200, batch=True, said="")
    reason = result.reason[:_REASON_CHARACTERS] if result.reason else ""
    return Answer(200, batch=True, said=result.status, reason=reason)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:_REASON_CHARACTERS]
