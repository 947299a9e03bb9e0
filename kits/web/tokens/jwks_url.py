"""A key set at an address, as identity providers publish it: fetched at start, then again and again."""

import asyncio
import math
import random
import time
from collections.abc import Callable

import aiohttp

from kits.observability.logs import get_logger
from kits.process.background import Supervisor
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.key_address import shown_address
from kits.web.tokens.key_set import MAX_BYTES
from kits.web.tokens.keys import TokenKey, TokenKeysError

log = get_logger(__name__)

FETCH_SECONDS = 5.0
REFRESH_SECONDS = 300.0
ASK_AGAIN_SECONDS = 10.0
KEEP_SECONDS = 24 * 3600.0
_RETRY = Backoff(base_seconds=2.0, cap_seconds=60.0)
_SHORTEST_RETRY_SECONDS = 1.0
_REASON_CHARACTERS = 200
_HEADERS = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


class JwksUrl:
    """The keys of a JSON Web Key Set behind a URL; a part of a process, to be started and stopped.

    The first fetch is part of the start and takes 5 s at most; its failure stops nothing, and is tried again.
    Later ones come every 5 minutes (jittered by a fifth), sooner after a failure, and at once for a token
    that names an unknown key, at most every 10 s. While the address does not answer, or its answer is
    refused, the former keys stay in use for 24 hours after the last good answer, then none verifies. An
    answer may have 1 MiB; redirects are not followed. An empty `url` has no keys and is never asked.
    """

    def __init__(
        self, url: str, supervisor: Supervisor, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args: clock: seconds; decides how old keys are."""
        self.configured = bool(url)
        self._url = url
        self._where = f"JWT_JWKS_URL {shown_address(url)}"
        self._supervisor = supervisor
        self._clock = clock
        self._followed = FollowedKeys(self._where)
        self._seen = self._followed.keys
        self._fault = "it has not been asked yet"
        self._failures = 0
        self._good_at = -math.inf
        self._asked_at = -math.inf
        self._nudged = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def keys(self) -> tuple[TokenKey, ...]:
        """Those of the last good answer, unless it is too old."""
        return self._followed.keys

    @property
    def complaint(self) -> str:
        """Empty while the last answer was good."""
        if not self.configured or not self._fault:
            return ""
        if not self.keys:
            return f"{self._where} gives no keys: {self._fault}."
        age = self._clock() - self._good_at
        return (
            f"{self._where} fails: {self._fault}. Its keys are {age:.0f} s old, and verify until they are "
            f"{KEEP_SECONDS / 3600:.0f} h old."
        )

    def look(self) -> bool:
        """Whether the keys are other ones than at the last look; too old ones are dropped."""
        if self._clock() - self._good_at > KEEP_SECONDS and self._followed.drop():
            log.error("token_keys_too_old", where=self._where, action="let its address answer again")
        changed = self._followed.keys is not self._seen
        self._seen = self._followed.keys
        return changed

    def reread(self) -> bool:
        """Nothing is read at once: whoever can wait asks for `newer`."""
        return self.look()

    async def newer(self) -> bool:
        """Fetch for a token that names an unknown key; whether the keys are other ones then.

        At most one fetch per 10 s, which all who ask meanwhile share; false at once if it is too early.
        """
        if not self.configured:
            return False
        if self._answered is None:
            if self._clock() - self._asked_at < ASK_AGAIN_SECONDS:
                return False
            self._asked_at = self._clock()
            self._answered = asyncio.get_running_loop().create_future()
            self._nudged.set()
        before = self.keys
        await asyncio.wait({self._answered}, timeout=FETCH_SECONDS)
        return self.keys is not before

    async def start(self) -> None:
        """Fetch once, and go on in the background."""
        if not self.configured:
            return
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        await self._refresh()
        self._supervisor.start("jwks_url", self._run)

    async def stop(self) -> None:
        """End the background task and close the connection."""
        await self._supervisor.stop()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _run(self) -> None:
        while True:
            await wait_for(self._nudged, self._rest_seconds())
            await self._refresh()

    def _rest_seconds(self) -> float:
        if not self._failures:
            return REFRESH_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - spreads replicas, guards nothing
        return _SHORTEST_RETRY_SECONDS + _RETRY.wait_seconds(self._failures)

    async def _refresh(self) -> None:
        self._nudged.clear()
        before = self.keys
        try:
            self._followed.adopt(await self._fetch())
        except (TokenKeysError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._failed(_sentence(error))
        else:
            self._good_at = self._clock()
            self._failures, self._fault = 0, ""
        if self.keys is not before:
            log.info("key_address_read", where=self._where, keys=self._followed.names())
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            answered.set_result(None)

    def _failed(self, fault: str) -> None:
        self._failures += 1
        if fault != self._fault:
            self._fault = fault
            log.warning(
                "key_address_failed",
                where=self._where,
                reason=fault,
                action="let it answer a JSON Web Key Set; former keys stay for 24 h, less removed ones",
            )

    async def _fetch(self) -> bytes:
        if self._session is None:
            raise RuntimeError("The key set's address was not started.")
        async with self._session.get(self._url, allow_redirects=False) as answer:
            if answer.status != 200:
                hint = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
                raise TokenKeysError(f"it answers {answer.status}{hint}")
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise TokenKeysError("it answers in a content encoding that was not asked for")
            parts: list[bytes] = []
            size = 0
            async for part in answer.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > MAX_BYTES:
                    break
            return b"".join(parts)


def _sentence(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {FETCH_SECONDS:.0f} s"
    return (str(error) or type(error).__name__)[:_REASON_CHARACTERS].rstrip(".")
