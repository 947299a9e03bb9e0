"""Who asks the same shares a question that is asked after all came: nobody gets an older answer."""

import asyncio
from typing import Any, cast

import pytest

from conduit.gateway.backend import Backend
from conduit.gateway.errors import ServiceAwayError
from conduit.gateway.shared_questions import SharedQuestions
from kits.rpc.patterns import Pattern
from tests.virtual_time import run_virtually

COUNT = Pattern("count", str, int)
SECONDS = 1.0


class Counter:
    """A backend that answers after a second with how much was written until it was asked."""

    def __init__(self) -> None:
        self.written = 0
        self.asked = 0
        self.fault: Exception | None = None

    async def ask(self, _pattern: object, _request: object) -> int:
        self.asked += 1
        seen = self.written
        await asyncio.sleep(SECONDS)
        if self.fault is not None:
            raise self.fault
        return seen


def shared(backend: Counter) -> SharedQuestions:
    return SharedQuestions(cast(Backend, backend))


def virtually(test: Any) -> None:
    run_virtually(test(), turns_allowed=100_000)


def test_a_hundred_who_come_while_one_asks_share_one_question() -> None:
    """Two questions for 101 askers; other questions are their own."""

    async def test() -> None:
        counter = Counter()
        questions = shared(counter)
        first = asyncio.create_task(questions.ask(COUNT, "a"))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(questions.ask(COUNT, "a")) for _ in range(100)]
        other = asyncio.create_task(questions.ask(COUNT, "b"))
        assert await asyncio.gather(first, *others, other) == [0] * 102
        assert counter.asked == 3
        assert await questions.ask(COUNT, "a") == 0
        assert counter.asked == 4

    virtually(test)


def test_an_answer_is_never_older_than_its_request() -> None:
    """What was written before a reader came is in what the reader gets."""

    async def test() -> None:
        counter = Counter()
        questions = shared(counter)

        async def read() -> tuple[int, int]:
            before = counter.written
            return before, await questions.ask(COUNT, "a")

        readers = []
        for _ in range(200):
            counter.written += 1
            readers.append(asyncio.create_task(read()))
            await asyncio.sleep(0.03)
        outcomes = await asyncio.gather(*readers)
        assert [each for each in outcomes if each[1] < each[0]] == []
        assert counter.asked < 12

    virtually(test)


def test_a_reader_who_goes_away_leaves_the_question_to_the_others() -> None:
    """Also the one who began it, and also if all of them do."""

    async def test() -> None:
        counter = Counter()
        questions = shared(counter)
        readers = [asyncio.create_task(questions.ask(COUNT, "a")) for _ in range(3)]
        await asyncio.sleep(0.1)
        readers[0].cancel()
        readers[1].cancel()
        assert await readers[2] == 0
        counter.fault = ServiceAwayError("articles", "did not answer")
        gone = asyncio.create_task(questions.ask(COUNT, "a"))
        await asyncio.sleep(0.1)
        gone.cancel()
        await asyncio.sleep(2 * SECONDS)
        counter.fault = None
        assert await questions.ask(COUNT, "a") == 0

    virtually(test)


def test_all_who_asked_are_told_of_a_fault_and_the_next_ask_anew() -> None:
    """Nothing of a fault stays."""

    async def test() -> None:
        counter = Counter()
        questions = shared(counter)
        counter.fault = ServiceAwayError("articles", "did not answer")
        readers = [asyncio.create_task(questions.ask(COUNT, "a")) for _ in range(5)]
        outcomes = await asyncio.gather(*readers, return_exceptions=True)
        assert [type(each) for each in outcomes] == [ServiceAwayError] * 5
        counter.fault = None
        assert await questions.ask(COUNT, "a") == 0
        with pytest.raises(TypeError):
            await questions.ask(cast(Any, COUNT), cast(Any, ["not hashable"]))

    virtually(test)
