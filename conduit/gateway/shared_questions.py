"""Shared questions: readers who want to know the same get it by one question, asked after they all came."""

import asyncio
from typing import Any, TypeVar

from conduit.gateway.backend import Backend
from kits.rpc.patterns import Pattern

Q = TypeVar("Q")
R = TypeVar("R")
_Key = tuple[str, Any]


class SharedQuestions:
    """Group commit, for reads: while a question is under way, further askers of the same gather for the next.

    So an answer is never older than the request that it answers, and whoever is alone waits for nobody. What
    is asked must be hashable, and change nothing.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._running: dict[_Key, asyncio.Task[Any]] = {}
        self._next: dict[_Key, asyncio.Task[Any]] = {}

    async def ask(self, pattern: Pattern[Q, R], request: Q) -> R:
        """The service's reply. Raises: as Backend.ask, to all who asked."""
        key = pattern.topic, request
        running = self._running.get(key)
        if running is None:
            question = self._running[key] = self._begin(self._ask(key, pattern, request))
        elif key in self._next:
            question = self._next[key]
        else:
            question = self._next[key] = self._begin(self._ask_after(running, key, pattern, request))
        # Who goes away leaves the question to the others.
        reply: R = await asyncio.shield(question)
        return reply

    def _begin(self, asking: Any) -> asyncio.Task[Any]:
        question: asyncio.Task[Any] = asyncio.create_task(asking)
        # All who asked may have gone away.
        question.add_done_callback(_retrieved)
        return question

    async def _ask_after(
        self, running: asyncio.Task[Any], key: _Key, pattern: Pattern[Any, Any], request: Any
    ) -> Any:
        await asyncio.wait({running})
        return await self._ask(key, pattern, request)

    async def _ask(self, key: _Key, pattern: Pattern[Any, Any], request: Any) -> Any:
        try:
            return await self._backend.ask(pattern, request)
        finally:
            following = self._next.pop(key, None)
            if following is None:
                del self._running[key]
            else:
                self._running[key] = following


def _retrieved(question: asyncio.Task[Any]) -> None:
    if not question.cancelled():
        question.exception()
