"""A key set at an address, as identity providers publish it: fetched at start, then again and again."""

import asyncio
import math
import random
import time

import aiohttp

from kits.observability.logs import get_logger
from kits.process.background import Supervisor
from kits.resilience.retry import Backoff
from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.key_address import shown_address
from kits.web.tokens.key_set import MAX_BYTES
from kits.web.tokens.keys import TokenKeysError

log = get_logger(__name__)

FETCH_SECONDS = 5.0
REFRESH_SECONDS = 300.0
ASK_AGAIN_SECONDS = 10.0
KEEP_SECONDS = 24 * 3600.0
_RETRY = Backoff(base_seconds=2.0, cap_seconds=60.0)
_SHORTEST_RETRY_SECONDS = 1.0
_HEADERS = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


class JwksUrl(FollowedKeys):
    """The keys of a JSON Web Key Set behind a URL; a part of a process, to be started and stopped.

    The first fetch is part of the start and takes 5 s at most; its failure stops nothing, and is tried again.
    Later ones come every 5 minutes (jittered by a fifth), sooner after a failure, and at once for a token
    that names an unknown key, at most every 10 s. While the address does not answer, or its answer is
    refused, the former keys stay in use for 24 hours after the last good answer, then none verifies. An
    answer may have 1 MiB; redirects are not followed. An empty `url` has no keys and is never asked.
    """

    def __init__(self, url: str, supervisor: Supervisor) -> None:
        super().__init__(f"JWT_JWKS_URL {shown_address(url)}")
        self.configured = bool(url)
        self.fault = "it has not been asked yet"
        self._url = url
        self._supervisor = supervisor
        self._failures = 0
        self._good_at = -math.inf
        self._asked_at = -math.inf
        self._asking = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    @property
    def complaint(self) -> str:
        """Empty while the last answer was good."""
        if not self.fault:
            return ""
        if not self.keys:
            return f"{self.where} gives no keys: {self.fault}."
        age = time.monotonic() - self._good_at
        return (
            f"{self.where} fails: {self.fault}. Its keys are {age:.0f} s old, and verify until they are "
            f"{KEEP_SECONDS / 3600:.0f} h old."
        )

    def look(self) -> bool:
        """Whether the keys are other ones than at the last look; too old ones are dropped."""
        if self.keys and time.monotonic() - self._good_at > KEEP_SECONDS:
            self.keys = ()
            log.error("token_keys_too_old", where=self.where, action="let its address answer again")
        return super().look()

    async def newer(self) -> bool:
        """Fetch for a token that names an unknown key; whether the keys are other ones then.

        At most one fetch per 10 s, which all who ask meanwhile share; false at once if it is too early. It
        takes as long as a fetch, or two if one is under way already.
        """
        before = self.keys
        async with self._asking:
            if self.keys is before and time.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
                self._asked_at = time.monotonic()
                await self._refresh()
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
            await asyncio.sleep(self._rest_seconds())
            async with self._asking:
                await self._refresh()

    def _rest_seconds(self) -> float:
        if not self._failures:
            return REFRESH_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - spreads replicas, guards nothing
        return _SHORTEST_RETRY_SECONDS + _RETRY.wait_seconds(self._failures)

    async def _refresh(self) -> None:
        with self.reading():
            self.adopt(await self._fetch())
            self._good_at = time.monotonic()
        self._failures = self._failures + 1 if self.fault else 0

    async def _fetch(self) -> bytes:
        try:
            return await self._answer()
        except TimeoutError as error:
            raise TokenKeysError(f"no answer within {FETCH_SECONDS:.0f} s") from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            raise TokenKeysError(str(error) or type(error).__name__) from error

    async def _answer(self) -> bytes:
        if self._session is None:
            raise TokenKeysError("it is not asked before the start, nor after the stop")
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
