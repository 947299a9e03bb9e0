"""Member API, adapter: asks it over HTTP for a member's name; two tries, within a second."""

import asyncio
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

import aiohttp
import msgspec
import stamina

from app.clients.member_metrics import MemberMetrics, TryOutcome
from kits.observability.logs import get_logger
from kits.observability.traces import TRACEPARENT, continue_trace, current_traceparent
from kits.resilience.breaker import Breaker
from kits.settings import Secret
from kits.web.bounded_response import BoundedResponse, read_bounded

log = get_logger(__name__)

TRIES = 2
TRY_SECONDS = 0.45
WITHIN_SECONDS = 1.0
MAX_CALLS = 32
"""In flight at a time."""
_REST_SECONDS = 0.05
_KEEP_ALIVE_SECONDS = 4.0
_BODY_BYTES = 65_536
_AWAY = frozenset({502, 503, 504})
_WORTH_ANOTHER_TRY = frozenset({TryOutcome.UNREACHABLE, TryOutcome.TIMEOUT, TryOutcome.UNAVAILABLE})
_NO_SEGMENTS = frozenset({".", ".."})


class _Member(msgspec.Struct, frozen=True):
    id: str
    name: Annotated[str, msgspec.Meta(min_length=1)]


class MemberApiError(Exception):
    """The name is not known now: the service was not asked, or did not answer as it should."""

    code = "member_api_failed"

    def __init__(self, outcome: TryOutcome, reason: str) -> None:
        self.outcome = outcome
        super().__init__(reason)


class MemberApi:
    """The Member API over HTTP/1.1; an empty `url` is never called.

    A call is at most two tries of 0.45 s, within 1 s: another one for what may pass (no connection, no
    answer in time, 502, 503, 504). Redirects are not followed, and 64 KiB of an answer are read at most. The
    breaker counts each try; 404 is an answer.
    """

    def __init__(self, *, url: str, token: Secret, breaker: Breaker, metrics: MemberMetrics) -> None:
        self._users = f"{url.rstrip('/')}/users/" if url else ""
        self._headers: Mapping[str, str] = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers = {**self._headers, "Authorization": f"Bearer {str.__str__(token)}"}
        self._breaker = breaker
        self._metrics = metrics
        self._decode = msgspec.json.Decoder(_Member).decode
        self._session: aiohttp.ClientSession | None = None

    @property
    def may_call(self) -> bool:
        """Whether a call may begin now, freely or as the breaker's probe."""
        return self._session is not None and self._breaker.admits()

    @property
    def answers(self) -> bool:
        """As far as is known: false while the breaker is not closed."""
        return self._breaker.is_closed

    async def start(self) -> None:
        """Connect with the first call."""
        if self._users:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MAX_CALLS, ttl_dns_cache=30, keepalive_timeout=_KEEP_ALIVE_SECONDS
                ),
                timeout=aiohttp.ClientTimeout(total=TRY_SECONDS),
                response_class=BoundedResponse,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )

    async def stop(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def name(self, member_id: str) -> str | None:
        """The member's name; None: there is no such member.

        Raises:
            MemberApiError: not known now.
        """
        # A server would read these as the way up, however they are written.
        if member_id in _NO_SEGMENTS:
            return None
        tries = stamina.AsyncRetryingCaller(
            attempts=TRIES, timeout=WITHIN_SECONDS, wait_initial=_REST_SECONDS, wait_jitter=_REST_SECONDS
        )
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await tries.on(_may_pass)(self._try, member_id)
        except TimeoutError as error:
            raise MemberApiError(TryOutcome.TIMEOUT, f"no answer within {WITHIN_SECONDS:.0f} s") from error

    async def _try(self, member_id: str) -> str | None:
        if not self._breaker.admits():
            self._metrics.called(TryOutcome.SPARED)
            raise MemberApiError(TryOutcome.SPARED, "it is not asked while it is away")
        begun_under = self._breaker.begin_call()
        try:
            name = await self._ask(member_id)
        except MemberApiError as error:
            self._metrics.called(error.outcome)
            if self._breaker.failed(begun_under):
                log.warning("member_api_away", reason=str(error), action="look at MEMBER_API_URL")
            raise
        except BaseException:
            self._breaker.no_result(begun_under)
            raise
        finally:
            self._metrics.show(self._breaker.state)
        self._metrics.called(TryOutcome.NOT_FOUND if name is None else TryOutcome.FOUND)
        if self._breaker.succeeded(begun_under):
            log.info("member_api_back")
        self._metrics.show(self._breaker.state)
        return name

    async def _ask(self, member_id: str) -> str | None:
        if self._session is None:
            raise MemberApiError(TryOutcome.SPARED, "it is not asked before the start, nor after the stop")
        url = self._users + quote(member_id, safe="")
        trace = {TRACEPARENT: continue_trace(current_traceparent.get())}
        try:
            async with self._session.get(url, headers=trace, allow_redirects=False) as answer:
                body = await read_bounded(answer.content, _BODY_BYTES) if answer.status == 200 else b""
        except TimeoutError as error:
            raise MemberApiError(TryOutcome.TIMEOUT, f"no answer within {TRY_SECONDS} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise MemberApiError(TryOutcome.UNREACHABLE, str(error) or type(error).__name__) from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            outcome = TryOutcome.UNAVAILABLE if answer.status in _AWAY else TryOutcome.REFUSED
            raise MemberApiError(outcome, f"it answers {answer.status}")
        return self._read(body, member_id)

    def _read(self, body: bytes, member_id: str) -> str:
        try:
            member = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MemberApiError(TryOutcome.UNREADABLE, f"its answer cannot be read: {error}") from error
        if member.id != member_id:
            raise MemberApiError(TryOutcome.UNREADABLE, "its answer is about another member")
        return member.name


def _may_pass(error: Exception) -> bool:
    return isinstance(error, MemberApiError) and error.outcome in _WORTH_ANOTHER_TRY
