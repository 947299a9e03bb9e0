"""Adapter: the data platform over HTTP. Turns whatever happens into an Answer; decides nothing."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from kits.observability.traces import TRACEPARENT, continue_trace
from kits.settings import Secret
from worker.bounded_response import BoundedResponse
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind

_TIMEOUT_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
# Shorter than what servers usually allow: a connection that is closed while we use it costs a repeat.
_KEEP_ALIVE_SECONDS = 4.0
_BODY_BYTES = 1_048_576
_REASON_CHARACTERS = 500
_JSON = {"Content-Type": "application/json"}


class _BatchItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    event_id: str
    order_id: str | None
    seq: int | None
    traceparent: str
    event: msgspec.Raw


class _Batch(msgspec.Struct, frozen=True):
    events: list[_BatchItem]


class _Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    event_id: str
    status: str
    reason: str | None = None


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


class HttpDataPlatformClient:
    """worker.delivery.ports.Platform over HTTP/1.1 with at most `connections` connections.

    A call ends within 10 s. Redirects are not followed, at most 1 MiB of an answer is read. The body of a
    single call is the event's bytes as they were on Kafka; `Idempotency-Key` is its event id.
    """

    def __init__(
        self, *, url: str, token: Secret, batch_size: int, connections: int, ca_file: str = ""
    ) -> None:
        """Connect later.

        Args:
            batch_size: events per call; 1 means single calls only.
            ca_file: PEM file of the authority that the platform's certificate is from; empty: the system's.
        """
        self.batch_size = batch_size
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
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS, sock_connect=_CONNECT_SECONDS),
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

    async def send(self, event: Event) -> Answer:
        """See the port."""
        headers = {
            "Idempotency-Key": event.event_id,
            "X-Order-Id": event.order_id or "",
            "X-Order-Seq": str(event.seq or ""),
            TRACEPARENT: continue_trace(event.traceparent),
        }
        answer, _ = await self._post(self._single_url, event.record.value or b"", headers, batch=False)
        return answer

    async def send_batch(self, events: Sequence[Event]) -> list[Answer]:
        """See the port. Only a readable 200 judges events; anything else is the same answer for all."""
        body = msgspec.json.encode(_Batch([_item(event) for event in events]))
        answer, content = await self._post(self._batch_url, body, {}, batch=True)
        if answer.kind is not AnswerKind.STATUS or answer.status != 200:
            return [answer] * len(events)
        try:
            results = {result.event_id: result for result in self._results.decode(content).results}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [Answer(AnswerKind.UNREADABLE, batch=True, status=200, reason=str(error))] * len(events)
        return [_answer_of(results.get(event.event_id)) for event in events]

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, batch: bool
    ) -> tuple[Answer, bytes]:
        if self._session is None:
            raise RuntimeError("The client is not open.")
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                content = await _read_bounded(response.content)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientSSLError,
            aiohttp.ConnectionTimeoutError,
        ) as error:
            return Answer(AnswerKind.UNREACHABLE, batch, reason=_short(error)), b""
        except (TimeoutError, aiohttp.ServerTimeoutError):
            reason = f"no answer within {_TIMEOUT_SECONDS:.0f} s"
            return Answer(AnswerKind.TIMEOUT, batch, reason=reason), b""
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            return Answer(AnswerKind.BROKEN, batch, reason=_short(error)), b""
        answer = Answer(
            AnswerKind.STATUS,
            batch,
            status=response.status,
            reason="" if response.status < 300 else content[:_REASON_CHARACTERS].decode("utf-8", "replace"),
            retry_after_seconds=retry_after(response.headers.get("Retry-After"), now=time.time()),
        )
        return answer, content


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds to wait after a Retry-After header (RFC 9110, 10.2.3): a number or a date; None if unusable.

    Args:
        now: wall time, seconds since the epoch.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.fromtimestamp(now, UTC)).total_seconds())


async def _read_bounded(content: aiohttp.StreamReader) -> bytes:
    """At most 1 MiB. A longer answer is cut, and then it cannot be read as results."""
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > _BODY_BYTES:
            break
    return b"".join(parts)[:_BODY_BYTES]


def _item(event: Event) -> _BatchItem:
    return _BatchItem(
        event_id=event.event_id,
        order_id=event.order_id,
        seq=event.seq,
        traceparent=continue_trace(event.traceparent),
        event=msgspec.Raw(event.record.value or b"null"),
    )


def _answer_of(result: _Result | None) -> Answer:
    if result is None:
        return Answer(AnswerKind.NO_RESULT, batch=True, status=200)
    reason = (result.reason or "")[:_REASON_CHARACTERS]
    return Answer(AnswerKind.RESULT, batch=True, status=200, result=result.status, reason=reason)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:_REASON_CHARACTERS]
