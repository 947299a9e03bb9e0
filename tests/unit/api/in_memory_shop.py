"""A shop in memory behind the real doors: the use cases' classes, without the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from dependency_injector import providers

from app.api.dependencies import CatalogueDesk
from app.application.batch_attempts import Outcome
from app.application.catalogue_keeping import CatalogueKeeping
from app.application.catalogue_ports import CatalogueReader, CatalogueTransactions
from app.application.catalogue_queries import CatalogueQueries
from app.application.commands import (
    ChangeOrder,
    CreateOrder,
    FoundOrders,
    OrderSearch,
    PayOrder,
    ReplayedOrder,
)
from app.application.errors import OrderNotFoundError, PreconditionFailedError
from app.application.order_intake import OrderIntake
from app.application.order_life import OrderLife
from app.application.order_queries import OrderQueries
from app.application.order_quotes import OrderQuotes
from app.application.read_ports import Offer, OrderReader
from app.application.stock_keeping import StockKeeping
from app.command_container import make_id
from app.container import Container
from app.domain.errors import (
    ClientReferenceUsedError,
    OrderError,
    OutOfStockError,
    PaymentReferenceUsedError,
    UnknownProductError,
)
from app.domain.order import Order, OrderStatus
from app.domain.payment import own_payment
from app.domain.product import Product
from app.domain.seller import ListedProduct, Seller
from app.settings import AppSettings, CorsSettings
from kits.kafka.security import KafkaSettings
from kits.observability.health import Health
from kits.postgres.engine import DatabaseSettings
from kits.settings import Secret
from kits.web.tokens.settings import TokenSettings
from kits.web.tokens.verifier import issue_token
from tests.builders import NOW, a_coupon, a_product
from tests.unit.api.in_memory_catalogue import InMemoryCatalogue

SECRET = Secret("a-test-secret-of-more-than-32-bytes")
ISSUER = "order-pipeline"
AUDIENCE = "orders"


def a_token(sub: str = "c-1", **values: object) -> str:
    """A token that the shop accepts."""
    chosen = {"secret": SECRET, "issuer": ISSUER, "audience": AUDIENCE, **values}
    return issue_token(sub=sub, **chosen)  # type: ignore[arg-type]


class InMemoryShop:
    """Stands in for OrderFacade.create_orders, for OrderLife and for the reader behind OrderQueries."""

    def __init__(self) -> None:
        self.products_by_id = {f"p-{n}": a_product(f"p-{n}", stock=100) for n in range(1, 6)}
        self.coupons = {"WELCOME10": a_coupon()}
        self.catalogue = InMemoryCatalogue(self.products_by_id, self.coupons)
        self.replica: dict[str, Seller] = {}
        self.members: dict[str, Seller] = {}
        self.orders: dict[str, Order] = {}
        self.payments: dict[tuple[str, str], Order] = {}
        self.commands: list[CreateOrder] = []
        self.changes: list[ChangeOrder] = []
        self.searches: list[OrderSearch] = []
        self.by_key: dict[tuple[str, str], str] = {}
        self.now: datetime = NOW
        self.failure: Exception | None = None
        self.replayed: Order | None = None
        self.running = False

    async def create_orders(self, commands: Sequence[CreateOrder]) -> list[Outcome]:
        """Place orders, or raise the failure that a test has set."""
        self.commands += commands
        if self.failure:
            raise self.failure
        return [self._outcome(command) for command in commands]

    def _outcome(self, command: CreateOrder) -> Outcome:
        if self.replayed:
            return ReplayedOrder(self.replayed)
        try:
            return self._place(command)
        except OrderError as refusal:
            return refusal

    def _place(self, command: CreateOrder) -> Order:
        for other in self.orders.values():
            if command.reference == (other.customer_id, other.client_reference):
                raise ClientReferenceUsedError(other.id)
        order = Order.place(
            order_id=command.order_id,
            customer_id=command.customer_id,
            selection=[(self._take(item.product_id, item.quantity), item.quantity) for item in command.items],
            now=NOW,
            time_to_live=timedelta(minutes=15),
            client_reference=command.client_reference,
        )
        order = order.discounted_by(a_coupon(command.coupon_code)) if command.coupon_code else order
        self.orders[order.id] = order
        if command.idempotency:
            self.by_key[command.customer_id, command.idempotency.key] = order.id
        return order

    async def pay(self, command: PayOrder) -> Order | ReplayedOrder:
        """PENDING -> PAID; a payment that was taken already gets the order as it was."""
        if (order := self.orders.get(command.order_id)) is None or self.failure or self.replayed:
            return self._move(command, OrderStatus.PAID)
        payment = command.payment or own_payment(order)
        known = self.payments.get((payment.provider, payment.reference))
        if known is not None and known.id != order.id:
            raise PaymentReferenceUsedError(payment.reference)
        payment.require_total_of(order)
        if known is not None:
            self.changes.append(command)
            return ReplayedOrder(known)
        paid = self._move(command, OrderStatus.PAID)
        assert isinstance(paid, Order)
        self.payments[payment.provider, payment.reference] = paid
        return paid

    async def cancel(self, command: ChangeOrder) -> Order | ReplayedOrder:
        """PENDING -> CANCELLED."""
        return self._move(command, OrderStatus.CANCELLED)

    async def fulfil(self, command: ChangeOrder) -> Order | ReplayedOrder:
        """PAID -> FULFILLED."""
        return self._move(command, OrderStatus.FULFILLED)

    def _move(self, command: ChangeOrder, status: OrderStatus) -> Order | ReplayedOrder:
        self.changes.append(command)
        if self.failure:
            raise self.failure
        if self.replayed:
            return ReplayedOrder(self.replayed)
        order = self.orders.get(command.order_id)
        if order is None or command.customer_id not in (None, order.customer_id):
            raise OrderNotFoundError("There is no such order.")
        if command.versions is not None and order.version not in command.versions:
            raise PreconditionFailedError(
                "It has changed.", version=order.version, current=order.status.value
            )
        self.orders[order.id] = order.moved_to(status, now=self.now)
        return self.orders[order.id]

    def _take(self, product_id: str, quantity: int) -> Product:
        product = self.products_by_id.get(product_id)
        if product is None:
            raise UnknownProductError(product_id)
        if quantity > product.stock:
            raise OutOfStockError(product_id, product.stock)
        return product

    async def order(self, order_id: str) -> Order | None:
        """One order."""
        return self.orders.get(order_id)

    async def search(self, search: OrderSearch) -> FoundOrders:
        """A page of orders, by whose they are, where they stand and what they are of."""
        self.searches.append(search)
        named = self.by_key.get((search.caller_id, search.key or ""))
        found = [
            order
            for order in sorted(self.orders.values(), key=lambda order: order.id, reverse=True)
            if search.customer_id in (None, order.customer_id)
            and (search.before is None or order.id < search.before)
            and search.status in (None, order.status)
            and (search.product_id is None or search.product_id in {line.product_id for line in order.lines})
            and search.reference in (None, order.client_reference)
            and (search.key is None or order.id == named)
        ]
        page = found[: search.limit]
        return FoundOrders(page, page[-1].id if len(found) > search.limit else None)

    async def product(self, product_id: str) -> ListedProduct | None:
        """One product."""
        product = self.products_by_id.get(product_id)
        return self._listed(product) if product else None

    async def products(self, *, after: str | None, limit: int) -> list[ListedProduct]:
        """Products in id order."""
        ids = sorted(one for one in self.products_by_id if after is None or one > after)
        return [self._listed(self.products_by_id[one]) for one in ids[:limit]]

    async def offer(self, command: CreateOrder, *, with_open_orders: bool) -> Offer:
        """What an order would find."""
        if self.failure:
            raise self.failure
        named = {item.product_id for item in command.items}
        products = {one: product for one, product in self.products_by_id.items() if one in named}
        mine = [
            order.id
            for order in self.orders.values()
            if command.reference == (order.customer_id, order.client_reference)
        ]
        return Offer(products, self.coupons, len(self.orders), next(iter(mine), None), NOW)

    def _listed(self, product: Product) -> ListedProduct:
        return ListedProduct(product, self.replica.get(product.seller_id or ""))

    async def seller(self, member_id: str) -> Seller | None:
        """What the Member API says."""
        return self.members.get(member_id)

    async def start(self) -> None:
        """The background parts of the process."""
        self.running = True

    async def stop(self) -> None:
        """The end of the background parts."""
        self.running = False


def _desk(shop: InMemoryShop) -> CatalogueDesk:
    transactions = cast(CatalogueTransactions, shop.catalogue)
    return CatalogueDesk(
        CatalogueKeeping(transactions, make_id),
        StockKeeping(transactions),
        CatalogueQueries(cast(CatalogueReader, shop.catalogue)),
        make_id,
    )


def container_of(shop: InMemoryShop, *, cors: str = "", self_pay: bool = False) -> Container:
    """The real container with this shop in the place of everything that needs a server."""
    settings = AppSettings(
        database=DatabaseSettings(url=Secret("postgresql://nowhere/none")),
        kafka=KafkaSettings(bootstrap_servers="nowhere:9092"),
        jwt=TokenSettings(secret=SECRET, issuer=ISSUER, audience=AUDIENCE),
        cors=CorsSettings(allow_origins=cors),
        orders_self_pay=self_pay,
    )
    container = Container(settings=settings)
    container.order_intake.override(providers.Object(OrderIntake(shop.create_orders)))
    container.order_life.override(providers.Object(cast(OrderLife, shop)))
    container.order_queries.override(
        providers.Object(OrderQueries(cast(OrderReader, shop), shop, container.app_metrics()))
    )
    container.order_quotes.override(
        providers.Object(OrderQuotes(shop, time_to_live=timedelta(minutes=15), max_open_orders=3))
    )
    container.catalogue.desk.override(providers.Callable(_desk, providers.Object(shop)))
    container.lifecycle.override(providers.Object(shop))
    container.health.override(providers.Object(Health([])))
    return container
