"""Use cases: the step that a command takes with its order, inside its transaction."""

from app.application.commands import ChangeOrder, PayOrder
from app.application.errors import OrderNotFoundError, PreconditionFailedError
from app.application.order_moves import Step, move_orders
from app.application.payments import known_payment, receive_payment
from app.application.ports import UnitOfWork
from app.domain.order import Order, OrderStatus
from app.domain.payment import own_payment


async def take_step(command: ChangeOrder, status: OrderStatus, uow: UnitOfWork) -> Step:
    """Lock the order and let it go on to `status`.

    Raises:
        OrderNotFoundError: there is none, or it is another customer's.
        PreconditionFailedError: it is at another version.
        OrderError: it does not go there; nothing was written.
    """
    order = _found((await uow.orders.lock([command.order_id])).get(command.order_id), command)
    if isinstance(command, PayOrder):
        return await _pay(command, order, uow)
    _require_version(order, command)
    now = await uow.now()
    moved = await move_orders([order], status, uow=uow, now=now, traceparent=command.traceparent)
    return Step(moved[0], moved=moved)


async def _pay(command: PayOrder, order: Order, uow: UnitOfWork) -> Step:
    payment = command.payment or own_payment(order)
    # What was recorded is answered first: the version that its caller has in mind is the one before it.
    if known := await known_payment(payment, order, uow):
        return known
    _require_version(order, command)
    now = await uow.now()
    return await receive_payment(payment, order, uow, now=now, traceparent=command.traceparent)


def _found(order: Order | None, command: ChangeOrder) -> Order:
    if order is None or command.customer_id not in (None, order.customer_id):
        raise OrderNotFoundError("There is no such order.")
    return order


def _require_version(order: Order, command: ChangeOrder) -> None:
    if command.versions is not None and order.version not in command.versions:
        raise PreconditionFailedError(
            f"The order is at version {order.version} now.", version=order.version, current=order.status.value
        )
