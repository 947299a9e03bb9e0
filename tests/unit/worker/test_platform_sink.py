"""The sink before the data platform: what goes together, what goes alone, and what never leaves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Claim, Kind, Predecessor, Result
from tests.unit.worker.events import Sample
from tests.virtual_time import run_virtually
from worker.groups.data_platform.answers import BROKEN, Answer
from worker.groups.data_platform.client import DataPlatformClient
from worker.groups.data_platform.halt import Halt, MisconfiguredError
from worker.groups.data_platform.sink import CallLimits, DataPlatformSink
from worker.inbox.item import InboxItem
from worker.metrics import DeliveryMetrics

ACCEPTED = Answer(202)
SECONDS = 0.5


class LoopClock:
    """The virtual time of the loop."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Limit:
    is_tripped: bool = False
    is_on_trial: bool = False

    def pass_trial(self) -> None:
        self.is_on_trial = False


@dataclass
class Platform:
    """A client whose platform answers after half a second what the test says; remembers the calls."""

    alone: Callable[[InboxItem], Answer] = lambda _: ACCEPTED
    together: Callable[[InboxItem], Answer] = lambda _: Answer(200, batch=True, said="accepted")
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, item: InboxItem, *, begin_within: float) -> Answer:
        return (await self._call("alone", [item], self.alone))[0]

    async def send_batch(self, items: Sequence[InboxItem], *, begin_within: float) -> list[Answer]:
        return await self._call("batch", items, self.together)

    async def _call(
        self, kind: str, items: Sequence[InboxItem], answer: Callable[[InboxItem], Answer]
    ) -> list[Answer]:
        self.calls.append((kind, [item.key for item in items]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(SECONDS)
        self.at_once -= 1
        return [answer(item) for item in items]


@dataclass
class Bench:
    """A sink, what stands around it, and what it has made of the events."""

    platform: Platform = field(default_factory=Platform)
    limits: CallLimits = field(default_factory=CallLimits)
    limit: Limit = field(default_factory=Limit)
    halt: Halt = field(default_factory=lambda: Halt(end_seconds=60))
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        client = cast(DataPlatformClient, self.platform)
        metrics = DeliveryMetrics(self.metrics, group="g")
        self.sink = DataPlatformSink(
            client=client,
            clock=LoopClock(),
            limit=self.limit,
            halt=self.halt,
            metrics=metrics,
            limits=self.limits,
        )

    def send(self, *names: str, until: float = 1000.0, **item: Any) -> list[asyncio.Future[Result]]:
        """Hand in the first event of each of these orders, in one turn of the loop."""
        claims = [Claim(Sample(name).item(**item), 1, Predecessor.DONE, until) for name in names]
        return [self.sink.send(claim) for claim in claims]

    async def results(self, *names: str, **item: Any) -> list[Result]:
        return await asyncio.gather(*self.send(*names, **item))

    async def kinds(self, *names: str, **item: Any) -> list[str]:
        return [result.kind for result in await self.results(*names, **item)]


def test_what_comes_in_one_turn_goes_together_within_the_bounds_of_a_batch() -> None:
    """In number and in bytes; eight batches at a time, and all answered in the end."""
    size = len(Sample("a-00").item().payload)
    bench = Bench(limits=CallLimits(batch_size=3, batch_bytes=2 * size, batch_calls=2))
    names = [f"a-{number:02}" for number in range(10)]
    assert run_virtually(bench.kinds(*names)) == ["done"] * 10
    assert [sorted(keys) for kind, keys in bench.platform.calls if kind == "batch"] == [
        names[begin : begin + 2] for begin in range(0, 10, 2)
    ]
    assert bench.platform.most_at_once == 2


def test_a_lone_event_goes_alone_and_its_call_began_when_it_left() -> None:
    """A batch of one would say no more, and spends no attempt."""
    bench = Bench()

    async def scenario() -> Result:
        await asyncio.sleep(3.0)
        (result,) = await bench.results("a")
        return result

    result = run_virtually(scenario())
    assert (result.kind, result.began) == (Kind.DONE, 3.0)
    assert bench.platform.calls == [("alone", ["a"])]


@pytest.mark.parametrize(
    "answer", [Answer(500, batch=True), Answer(401, batch=True), Answer(failure=BROKEN, batch=True)]
)
def test_a_batch_that_judges_nothing_is_sent_again_one_by_one(answer: Answer) -> None:
    """Bounded as well, and the next events go together again."""
    bench = Bench(Platform(together=lambda _: answer), CallLimits(single_calls=2))
    assert run_virtually(bench.kinds("a", "b", "c")) == ["done"] * 3
    assert [kind for kind, _ in bench.platform.calls] == ["batch", "alone", "alone", "alone"]
    assert bench.platform.most_at_once == 2


def test_what_a_batch_wants_again_or_does_not_mention_goes_alone_and_the_rest_is_judged() -> None:
    """Each by its own result."""
    said = {"a": "accepted", "b": "retry", "c": "rejected", "d": ""}
    bench = Bench(Platform(together=lambda item: Answer(200, batch=True, said=said[item.key])))
    assert run_virtually(bench.kinds(*said)) == ["done", "done", "refused", "done"]
    assert [keys for kind, keys in bench.platform.calls if kind == "alone"] == [["b"], ["d"]]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_without_a_batch_path_everything_goes_alone(status: int) -> None:
    """Found out once."""
    bench = Bench(Platform(together=lambda _: Answer(status, batch=True)))

    async def scenario() -> list[str]:
        return await bench.kinds("a", "b") + await bench.kinds("c", "d")

    assert run_virtually(scenario()) == ["done"] * 4
    assert [kind for kind, _ in bench.platform.calls] == ["batch"] + ["alone"] * 4


def test_batches_of_one_are_single_calls() -> None:
    """As a setting says."""
    bench = Bench(limits=CallLimits(batch_size=1))
    assert run_virtually(bench.kinds("a", "b")) == ["done"] * 2
    assert {kind for kind, _ in bench.platform.calls} == {"alone"}


def test_after_an_unreadable_batch_no_2xx_counts_until_a_batch_can_be_read() -> None:
    """Whoever answers so may be a proxy: nothing is lost to it, not even the probe."""
    bench = Bench(Platform(together=lambda _: Answer(200, batch=True)))

    async def scenario() -> None:
        assert await bench.kinds("a", "b") == ["unavailable"] * 2
        assert await bench.kinds("a") == ["unavailable"]
        assert bench.platform.calls[-2:] == [("batch", ["a"]), ("alone", ["a"])]
        bench.platform.together = lambda _: Answer(503, batch=True)
        assert await bench.kinds("a") == ["unavailable"]
        bench.platform.together = Platform.together
        assert await bench.kinds("a") == ["done"]
        assert await bench.kinds("a") == ["done"]
        assert bench.platform.calls[-1] == ("alone", ["a"])

    run_virtually(scenario())


def test_what_is_too_late_never_leaves_and_tells_nothing() -> None:
    """Also when it became so while it waited for a free call."""
    bench = Bench(limits=CallLimits(batch_size=1, single_calls=1))

    async def scenario() -> None:
        first = bench.send("a", until=0.1)
        late = bench.send("b", until=0.4)
        later = bench.send("c", until=9.0)
        await asyncio.wait([*first, *late, *later])
        assert (late[0].cancelled(), first[0].result().kind, later[0].result().kind) == (True, "done", "done")

    run_virtually(scenario())
    assert [keys for _, keys in bench.platform.calls] == [["a"], ["c"]]


def test_of_a_batch_only_what_is_in_time_leaves() -> None:
    """The rest of the batch goes as it was."""
    bench = Bench()

    async def scenario() -> list[bool]:
        await asyncio.sleep(1.0)
        sent = bench.send("a", until=1.0) + bench.send("b", "c", until=5.0)
        await asyncio.wait(sent)
        return [each.cancelled() for each in sent]

    assert run_virtually(scenario()) == [True, False, False]
    assert bench.platform.calls == [("batch", ["b", "c"])]


def test_while_the_dead_letter_limit_stands_nothing_is_called() -> None:
    """Every send is answered as if the platform were away, so that nothing is charged."""
    bench = Bench(limit=Limit(is_tripped=True))
    results = run_virtually(bench.results("a", "b"))
    assert {(result.kind, result.code) for result in results} == {(Kind.UNAVAILABLE, "dead_letter_limit")}
    assert bench.platform.calls == []


def test_after_the_limits_release_one_event_at_a_time_goes_until_one_is_taken() -> None:
    """The others are answered as if the platform were away; a refusal proves nothing."""
    answers = {"a": Answer(422), "b": ACCEPTED}
    bench = Bench(platform=Platform(alone=lambda item: answers[item.key]), limit=Limit(is_on_trial=True))

    async def scenario() -> list[list[str]]:
        return [await bench.kinds(*names) for names in (("a", "b"), ("b", "c"), ("c", "d"))]

    refused, taken, free = run_virtually(scenario())
    assert refused == [Kind.REFUSED, Kind.UNAVAILABLE]
    assert taken == [Kind.DONE, Kind.UNAVAILABLE]
    assert free == [Kind.DONE, Kind.DONE]
    assert bench.platform.calls == [("alone", ["a"]), ("alone", ["b"]), ("batch", ["c", "d"])]


def test_what_is_replayed_does_not_share_a_batch_with_what_is_new() -> None:
    """The header stands for all of a call."""
    bench = Bench()

    async def scenario() -> None:
        sent = bench.send("a", "b", replayed=True) + bench.send("c", "d")
        await asyncio.wait(sent)

    run_virtually(scenario())
    assert bench.platform.calls == [("batch", ["a", "b"]), ("batch", ["c", "d"])]


def test_a_mistake_of_our_own_with_one_event_is_not_the_others() -> None:
    """The batch is sent again one by one, and that event alone fails."""

    def stumbles(item: InboxItem) -> Answer:
        if item.key == "b":
            raise RuntimeError("no header may hold this")
        return ACCEPTED

    bench = Bench(Platform(alone=stumbles, together=stumbles))

    async def scenario() -> list[Any]:
        return await asyncio.gather(*bench.send("a", "b", "c"), return_exceptions=True)

    first, second, third = run_virtually(scenario())
    assert (first.kind, type(second), third.kind) == (Kind.DONE, RuntimeError, Kind.DONE)


def test_after_a_minute_of_nothing_but_wrong_addresses_the_process_is_to_end() -> None:
    """Nothing is dead by then: a 401 is a failure that no other event's success has charged."""
    bench = Bench(Platform(alone=lambda _: Answer(401), together=lambda _: Answer(401, batch=True)))

    async def scenario() -> float:
        halting = asyncio.create_task(bench.halt.run())
        while not halting.done():
            assert await bench.kinds("a", "b") == ["failed"] * 2
        with pytest.raises(MisconfiguredError, match="http_401"):
            halting.result()
        return LoopClock().now()

    assert 60.0 <= run_virtually(scenario()) <= 62.0


@pytest.mark.parametrize("answer", [ACCEPTED, Answer(409), Answer(422), Answer(503)])
def test_one_success_or_an_outage_begins_the_minute_anew(answer: Answer) -> None:
    """Then it is not our address; an outage says nothing about it."""
    answers = {"a": Answer(404), "b": answer}
    bench = Bench(Platform(alone=lambda item: answers[item.key]), CallLimits(batch_size=1))

    async def scenario() -> bool:
        halting = asyncio.create_task(bench.halt.run())
        while LoopClock().now() < 200:
            await bench.results("a")
            await bench.results("b")
            await asyncio.sleep(20)
        halting.cancel()
        return bench.halt.is_unready

    assert run_virtually(scenario()) is False


def test_an_event_that_is_known_to_fail_alone_ends_nobody() -> None:
    """Its 404 came while others succeeded: it is its own."""
    bench = Bench(Platform(alone=lambda _: Answer(404)))

    async def scenario() -> bool:
        await bench.results("a", attempts=1)
        await asyncio.sleep(10)
        return bench.halt.is_unready

    assert run_virtually(scenario()) is False


def test_calls_that_run_at_the_end_are_ended() -> None:
    """What became of them stays unknown: no result is made up."""
    bench = Bench()

    async def scenario() -> list[bool]:
        sent = bench.send("a", "b")
        await asyncio.sleep(SECONDS / 2)
        await bench.sink.stop()
        await asyncio.sleep(SECONDS)
        return [each.done() for each in sent]

    assert run_virtually(scenario()) == [False, False]


def test_the_way_of_each_event_and_the_calls_are_measured() -> None:
    """By type, an unknown one as `other`; a time that cannot be read is left out."""
    bench = Bench()
    bench.sink._metrics.delivered("order.created", [("ce_time", b"2026-11-21T07:00:00.000Z")])
    bench.sink._metrics.delivered("order.gifted", [("ce_time", b"2026-11-21T07:00:00.000Z")])
    for unreadable in (b"yesterday", b"2026-11-21T07:00:xx.000Z", b"2026-19-21T07:00:00.000Z", b"\xff" * 24):
        bench.sink._metrics.delivered("order.paid", [("ce_time", unreadable)])
    bench.sink._metrics.delivered("order.expired", [("ce_time", b"2026-11-21T08:00:00+01:00")])
    run_virtually(bench.results("a", "b"))
    told = bench.metrics.render().decode()
    for kind, count in (("order.created", 1), ("other", 1), ("order.paid", 0), ("order.expired", 1)):
        assert f'event_end_to_end_seconds_count{{event_type="{kind}",group="g"}} {count}.0' in told
    assert 'delivery_call_seconds_bucket{kind="batch",le="0.5"} 1.0' in told
    assert 'delivery_call_seconds_sum{kind="batch"} 0.5' in told
    assert 'delivery_call_seconds_count{kind="single"} 0.0' in told
