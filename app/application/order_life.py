"""Use cases: how an order goes on after it was placed: paid, fulfilled, cancelled, expired."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from app.application.commands import ChangeOrder, PayOrder, ReplayedOrder
from app.application.errors import (
    ApplicationError,
    IdempotencyKeyInUseError,
    IdempotencyKeyWaitError,
    LockWaitError,
    StorageError,
    StorageRefusedError,
    StorageStaleError,
)
from app.application.idempotency import answered_change, change_claim, close_claim
from app.application.key_ports import KeyClaim
from app.application.order_moves import Step, move_orders, releasable
from app.application.order_steps import take_step
from app.application.order_turns import OrderTurns
from app.application.ports import Transactions
from app.domain.errors import OrderError
from app.domain.order import Order, OrderStatus
from app.metrics import AppMetrics
from kits.observability.logs import get_logger
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_EXPIRY_BATCH = 100
_MOST_PASSED_OVER = 2_000
_PATIENCE_SECONDS = 3.0
_TRIES = 4
_BACKOFF = Backoff(base_seconds=0.1, cap_seconds=0.4)


class OrderLife:
    """Every transition is one transaction that holds the order's row: of two at once, one comes second.

    The second one finds where the first has left the order. Locks are taken in the order that holds
    everywhere: keys, order rows, products, coupons, payments, each sorted. A command whose key has taken its
    step already is answered with the order as it was right after that, whatever has become of it since.
    """

    def __init__(self, transactions: Transactions, metrics: AppMetrics) -> None:
        self._transactions = transactions
        self._metrics = metrics
        self._running: set[KeyClaim] = set()
        self._turns = OrderTurns(seconds=_PATIENCE_SECONDS)
        self._passed_over: set[str] = set()
        self._careful = False

    async def pay(self, command: PayOrder) -> Order | ReplayedOrder:
        """PENDING -> PAID, while the order has time by the database's clock, read under its lock.

        A payment that was recorded already gets the answer of then, whatever has become of the order.

        Raises:
            PaymentRefusedError: the order takes no payment where it stands. It is recorded as refused, with
                its event; if the time is over (PaymentTooLateError), the order has expired by it.
            PaymentAmountMismatchError: it is not what the order costs; nothing is recorded.
            PaymentReferenceUsedError: it names the payment of another order; nothing is recorded.
            Otherwise as `_change`.
        """
        return await self._change(command, OrderStatus.PAID)

    async def fulfil(self, command: ChangeOrder) -> Order | ReplayedOrder:
        """PAID -> FULFILLED.

        Raises:
            As `_change`.
        """
        return await self._change(command, OrderStatus.FULFILLED)

    async def cancel(self, command: ChangeOrder) -> Order | ReplayedOrder:
        """PENDING -> CANCELLED; pieces and coupon use are released in the same transaction.

        Raises:
            As `_change`.
        """
        return await self._change(command, OrderStatus.CANCELLED)

    async def expire_due(self, *, limit: int = _EXPIRY_BATCH) -> bool:
        """PENDING -> EXPIRED for up to `limit` orders whose time is over; True when there may be more.

        Any number of processes may do this at once: each passes over what another has locked. An order that
        the database refuses to change keeps no other from expiring; it is logged and tried again next time.
        An order whose product, coupon or coupon use another session holds is passed over for this round.

        Raises:
            StorageUnavailableError, StorageBusyError, StorageConflictError: the next call looks again.
        """
        found, expired = await self._expire(limit)
        self._note(expired)
        more = len(found) == limit and len(self._passed_over) < _MOST_PASSED_OVER
        if not more:
            # The next round begins with the longest overdue again.
            self._careful = bool(self._passed_over)
            self._passed_over.clear()
        return more

    async def _expire(self, limit: int) -> tuple[Sequence[Order], Sequence[Order]]:
        try:
            return await self._expire_together(limit)
        except LockWaitError:
            if self._careful:
                raise
            self._careful = True
            return await self._expire(limit)
        except StorageRefusedError:
            expired = await self._expire_one_by_one(limit)
            return expired, expired

    async def _expire_together(self, limit: int) -> tuple[Sequence[Order], Sequence[Order]]:
        expired: Sequence[Order] = []
        async with self._transactions(hurried=True) as uow:
            due = await uow.orders.lock_due(limit, besides=self._passed_over)
            free = await releasable(due, uow) if self._careful and due else due
            if free:
                expired = await move_orders(free, OrderStatus.EXPIRED, uow=uow, now=await uow.now())
        self._passed_over |= {order.id for order in due} - {order.id for order in expired}
        return due, expired

    async def _expire_one_by_one(self, limit: int) -> list[Order]:
        async with self._transactions() as uow:
            due = await uow.orders.lock_due(limit, besides=self._passed_over)
        expired: list[Order] = []
        for order in due:
            try:
                async with self._transactions(hurried=True) as uow:
                    # It was free for a moment: somebody may have come first.
                    found = (await uow.orders.lock([order.id])).values()
                    pending = [one for one in found if one.status is OrderStatus.PENDING]
                    expired += await move_orders(pending, OrderStatus.EXPIRED, uow=uow, now=await uow.now())
            except LockWaitError:
                self._passed_over.add(order.id)
            except StorageRefusedError as refused:
                action = "mend the row that the constraint guards; the order is tried again"
                log.warning("order_not_expired", order_id=order.id, reason=str(refused), action=action)
        return expired

    async def _change(self, command: ChangeOrder, status: OrderStatus) -> Order | ReplayedOrder:
        """Move one order.

        Raises:
            OrderNotFoundError: there is none, or it is another customer's.
            PreconditionFailedError: it is at another version; looked at before the transition is.
            InvalidTransitionError: it does not go there from where it stands.
            IdempotencyKeyReusedError, IdempotencyKeyInUseError: the key names another request, or one that
                is still running.
            StorageError: the database did not do it, or (StorageUnavailableError) it is unknown if it did. A
                row that another session holds is waited for in short attempts, between which nothing is held.
        """
        claim = change_claim(command, status)
        try:
            with self._alone(claim):
                async with self._turns.of(command.order_id):
                    return await self._try_until_free(command, status, claim)
        except StorageError:
            raise
        except (OrderError, ApplicationError) as refusal:
            self._metrics.orders.labels(refusal.code).inc()
            raise

    @contextmanager
    def _alone(self, claim: KeyClaim | None) -> Iterator[None]:
        if claim is None:
            yield
            return
        name = replace(claim, order_id="", request_hash=b"")
        if name in self._running:
            raise IdempotencyKeyInUseError("A request with this key is still running; try again in a moment.")
        self._running.add(name)
        try:
            yield
        except IdempotencyKeyWaitError as error:
            raise IdempotencyKeyInUseError("A request with this key is still running; try again.") from error
        finally:
            self._running.discard(name)

    async def _try_until_free(
        self, command: ChangeOrder, status: OrderStatus, claim: KeyClaim | None
    ) -> Order | ReplayedOrder:
        for number in range(1, _TRIES):
            try:
                return await self._attempt_on_a_living_connection(command, status, claim)
            except LockWaitError:
                await asyncio.sleep(_BACKOFF.wait_seconds(number))
        return await self._attempt_on_a_living_connection(command, status, claim)

    async def _attempt_on_a_living_connection(
        self, command: ChangeOrder, status: OrderStatus, claim: KeyClaim | None
    ) -> Order | ReplayedOrder:
        try:
            return await self._attempt(command, status, claim)
        except StorageStaleError:
            return await self._attempt(command, status, claim)

    async def _attempt(
        self, command: ChangeOrder, status: OrderStatus, claim: KeyClaim | None
    ) -> Order | ReplayedOrder:
        async with self._transactions(hurried=True) as uow:
            if claim and (replayed := await answered_change(claim, status, uow)):
                self._metrics.orders_replayed.inc()
                return replayed
            step = await take_step(command, status, uow)
            if claim:
                await close_claim(claim, step, uow)
        return self._outcome(step)

    def _outcome(self, step: Step) -> Order | ReplayedOrder:
        self._note(step.moved)
        if step.refusal is not None:
            if not step.replayed:
                self._metrics.payments_refused.inc()
            # Raised after the commit: the refusal is recorded, and may have expired the order.
            raise step.refusal
        if step.replayed:
            self._metrics.orders_replayed.inc()
            return ReplayedOrder(step.order)
        return step.order

    def _note(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self._metrics.orders.labels(order.status.value.lower()).inc()
            log.debug("order_moved", order_id=order.id, status=order.status.value, version=order.version)
