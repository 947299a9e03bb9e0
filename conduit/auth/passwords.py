"""Passwords: argon2id as OWASP asks (19 MiB, two passes, one lane), in two threads with a bounded queue."""

import asyncio
import os
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import VerifyMismatchError

from conduit.auth.ports import Verdict
from kits.rpc.deadlines import seconds_left
from kits.rpc.errors import RpcError

_AT_ONCE = 2
_MAX_WAITING = 64
_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1
_NEWEST_COUNTS = 0.2
_TRAVEL_SECONDS = 0.2
# Hashes side by side, beside everybody whom they are for, take longer than the last lonely one.
_CAUTION = 2.0

T = TypeVar("T")


class Passwords:
    """ports.PasswordHasher. Each hash takes 19 MiB and some 20 ms: two at once, and 64 may wait.

    Who would wait for longer than the caller does is refused at once. That is an answer: callers who get none
    take auth for dead, and ask it no more for what costs no hash.
    The same password typed on another device may come in another Unicode form, so it is brought to NFKC.
    """

    def __init__(self) -> None:
        self._argon2 = Argon2(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)
        # Nobody's: whether an address is known must not show in the time that an answer takes.
        began = time.perf_counter()
        self._decoy = self._argon2.hash(os.urandom(32))
        self._job_seconds = time.perf_counter() - began
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._jobs: set[Future[Any]] = set()

    async def start(self) -> None:
        """The threads begin with the first password."""

    async def stop(self) -> None:
        """What waits is given up; what runs ends within moments."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """See PasswordHasher."""
        plain = _plain(password)
        return await self._run(lambda: self._argon2.hash(plain))

    async def check(self, password: str, password_hash: str | None) -> Verdict:
        """See PasswordHasher."""
        plain = _plain(password)
        return await self._run(lambda: self._verdict(plain, password_hash))

    def _verdict(self, plain: bytes, password_hash: str | None) -> Verdict:
        try:
            self._argon2.verify(password_hash or self._decoy, plain)
        except VerifyMismatchError:
            return Verdict(is_right=False)
        if password_hash is None:
            return Verdict(is_right=False)
        is_old = self._argon2.check_needs_rehash(password_hash)
        return Verdict(is_right=True, rehashed=self._argon2.hash(plain) if is_old else None)

    async def _run(self, job: Callable[[], T]) -> T:
        # A caller that gives up takes its job out of the queue: what counts is what the threads have.
        self._jobs = {each for each in self._jobs if not each.done()}
        if len(self._jobs) >= _AT_ONCE + _MAX_WAITING or self._is_too_late():
            raise RpcError(503, "overloaded", "Too many passwords wait to be checked; try again in a moment.")
        submitted = self._threads.submit(_timed, job)
        self._jobs.add(submitted)
        result, seconds = await asyncio.wrap_future(submitted)
        self._job_seconds += _NEWEST_COUNTS * (seconds - self._job_seconds)
        return result

    def _is_too_late(self) -> bool:
        # With a thread free there is nothing to wait for, whatever the last ones took.
        ahead = len(self._jobs)
        wait_seconds = _CAUTION * (ahead / _AT_ONCE + 1) * self._job_seconds
        return ahead >= _AT_ONCE and wait_seconds > seconds_left() - _TRAVEL_SECONDS


def _timed(job: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    result = job()
    return result, time.perf_counter() - began


def _plain(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode()
