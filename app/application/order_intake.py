"""Use cases: gathers the orders that arrive while a transaction runs, and gives them to the next one.

This is group commit, as databases do it with their log (DeWitt et al., "Implementation Techniques for Main
Memory Database Systems", SIGMOD 1984): under load a commit, its locks and its round trips are shared by many.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from app.application.batch_attempts import Outcome
from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import (
    IdempotencyKeyInUseError,
    IntakeFullError,
    LockWaitError,
    RowHeldError,
    StorageUnavailableError,
)
from app.application.held_lane import HeldLane, RowWatch, WaitingOrder
from app.domain.order import Order

_SLOW_SECONDS = 0.05
_SMALL_BATCH = 8
_KEY_SECONDS = 1.0

CreateOrders = Callable[[Sequence[CreateOrder]], Awaitable[list[Outcome]]]


class OrderIntake:
    """At most `batch_size` commands per transaction and `transactions` of them at a time.

    A lone command is not delayed when nothing runs. Under load the transactions share what is there evenly:
    while the database works for one half of the callers, this process answers the other half. So a second
    transaction begins when as many commands wait as run, 8 at least (smaller ones cost more than they gain);
    and when the first has been running for 50 ms, whatever waits: one that is stuck does not hold the others.
    Nothing is kept in memory beyond `queue_size` commands. A caller that goes away does not cancel its
    transaction.

    `one_batch_per_customer`: of two orders of a customer that run at a time none would count the other. They
    share a transaction, or the second one waits for the first.

    A row that another session holds (a product, a coupon) is no fault of the database. The commands that name
    it wait in a lane of their own, which asks again and again whether it is free. Then they go on; after 3 s
    they get a RowHeldError. The others go on without them.
    """

    def __init__(
        self,
        create: CreateOrders,
        rows: RowWatch | None = None,
        *,
        batch_size: int = 64,
        transactions: int = 2,
        queue_size: int = 2000,
        one_batch_per_customer: bool = False,
        lane_size: int = 256,
        lane_seconds: float = 3.0,
    ) -> None:
        self._create = create
        self._batch_size = batch_size
        self._transactions = transactions
        self._queue_size = queue_size
        self._queue: deque[WaitingOrder] = deque()
        self._lane = HeldLane(rows, size=lane_size, patience_seconds=lane_seconds)
        self._lane_task: asyncio.Task[None] | None = None
        self._one_batch_per_customer = one_batch_per_customer
        self._customers: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._keys: set[tuple[str, str]] = set()
        self._pump_is_due = False
        self._last_began = 0.0

    @property
    def waiting(self) -> int:
        """Commands that no transaction has taken yet."""
        return len(self._queue) + len(self._lane)

    async def create_order(self, command: CreateOrder) -> Order | ReplayedOrder:
        """Create one order together with whatever else arrives.

        Raises:
            IntakeFullError: too many are waiting; nothing was begun, try again in a second.
            IdempotencyKeyInUseError: the same customer's request with the same key is running.
            RowHeldError: another session holds what it names; nothing was stored.
            OrderError: the shop refuses it. StorageError: as OrderFacade.create_orders.
        """
        if len(self._queue) >= self._queue_size:
            raise IntakeFullError("More orders are waiting than can be taken; try again in a moment.")
        key = _key_of(command)
        if key in self._keys:
            raise IdempotencyKeyInUseError("A request with this key is still running; try again in a moment.")
        if key:
            self._keys.add(key)
        waiting = WaitingOrder(command, asyncio.get_running_loop().create_future())
        if held := self._lane.in_the_way_of(command):
            self._set_aside(waiting, RowHeldError(held))
        else:
            self._queue.append(waiting)
            self._pump_soon()
        return await waiting.outcome

    async def stop(self, *, within_seconds: float) -> None:
        """Wait for the running transactions; the doors must be closed before."""
        unfinished = self._running | ({self._lane_task} if self._lane_task else set())
        if unfinished:
            await asyncio.wait(unfinished, timeout=within_seconds)

    def _pump_soon(self) -> None:
        # Not at once: requests that arrive in the same turn of the loop share a transaction.
        if not self._pump_is_due:
            self._pump_is_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_is_due = False
        loop = asyncio.get_running_loop()
        while self._queue and self._may_begin(loop.time()) and (batch := self._next_batch()):
            self._last_began = loop.time()
            loop.call_later(_SLOW_SECONDS, self._pump_soon)
            task = asyncio.create_task(self._run(batch), name="order-intake-batch")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _may_begin(self, now: float) -> bool:
        if not self._running:
            return True
        worthwhile = len(self._queue) >= min(self._batch_size, max(_SMALL_BATCH, self._in_flight))
        slow = now - self._last_began >= _SLOW_SECONDS
        return (worthwhile or slow) and len(self._running) < self._transactions

    def _next_batch(self) -> list[WaitingOrder]:
        share = math.ceil((len(self._queue) + self._in_flight) / self._transactions)
        size = min(self._batch_size, len(self._queue), share if share > _SMALL_BATCH else self._batch_size)
        if self._one_batch_per_customer:
            batch = self._of_customers_without_batch(size)
        else:
            batch = [self._queue.popleft() for _ in range(size)]
        self._in_flight += len(batch)
        return batch

    def _of_customers_without_batch(self, size: int) -> list[WaitingOrder]:
        batch: list[WaitingOrder] = []
        passed_over: list[WaitingOrder] = []
        while self._queue and len(batch) < size:
            waiting = self._queue.popleft()
            busy = waiting.command.customer_id in self._customers
            (passed_over if busy else batch).append(waiting)
        self._queue.extendleft(reversed(passed_over))
        self._customers.update(waiting.command.customer_id for waiting in batch)
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pump_soon()

    async def _run(self, batch: Sequence[WaitingOrder]) -> None:
        try:
            outcomes: Sequence[Outcome | Exception] = await self._create([each.command for each in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, each for its own request
            outcomes = [error] * len(batch)
            if isinstance(error, StorageUnavailableError | LockWaitError):
                # The database is away, or a whole table is locked: nobody else shall wait for a time-out of
                # their own.
                self._end(self._drained(), error)
        finally:
            self._in_flight -= len(batch)
            self._customers.difference_update(waiting.command.customer_id for waiting in batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, RowHeldError):
                self._set_aside(waiting, outcome)
            else:
                self._end([waiting], outcome)
        if any(isinstance(outcome, RowHeldError) for outcome in outcomes):
            self._sort_queue()

    def _set_aside(self, waiting: WaitingOrder, held: RowHeldError) -> None:
        if not self._lane.admit(waiting, held.rows):
            self._end([waiting], held)
        elif self._lane_task is None:
            self._lane_task = asyncio.create_task(self._serve_lane(), name="order-intake-lane")

    def _sort_queue(self) -> None:
        # These orders had come before the held rows were known.
        queue, self._queue = self._queue, deque()
        for waiting in queue:
            if held := self._lane.in_the_way_of(waiting.command):
                self._set_aside(waiting, RowHeldError(held))
            else:
                self._queue.append(waiting)

    async def _serve_lane(self) -> None:
        while self._lane:
            free, given_up = await self._lane.look()
            for waiting in given_up:
                self._end([waiting], RowHeldError(self._lane.in_the_way_of(waiting.command)))
            self._queue.extendleft(reversed(free))
            self._pump_soon()
        self._lane_task = None

    def _drained(self) -> Sequence[WaitingOrder]:
        waiting = list(self._queue)
        self._queue.clear()
        return waiting

    def _end(self, ended: Sequence[WaitingOrder], outcome: Outcome | Exception) -> None:
        for waiting in ended:
            self._forget_key(waiting.command, outcome)
            if waiting.outcome.done():
                # The caller has gone. The order is made all the same, and a repeat of the request finds it.
                continue
            if isinstance(outcome, Exception):
                waiting.outcome.set_exception(outcome)
            else:
                waiting.outcome.set_result(outcome)

    def _forget_key(self, command: CreateOrder, outcome: Outcome | Exception) -> None:
        key = _key_of(command)
        if key is None:
            return
        if isinstance(outcome, IdempotencyKeyInUseError):
            # Another session holds it: who asks again too soon is answered here, and holds up no transaction.
            asyncio.get_running_loop().call_later(_KEY_SECONDS, self._keys.discard, key)
        else:
            self._keys.discard(key)


def _key_of(command: CreateOrder) -> tuple[str, str] | None:
    return (command.customer_id, command.idempotency.key) if command.idempotency else None
