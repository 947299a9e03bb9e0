"""Where the shop's door over Kafka is built, for processes that open it."""

from dependency_injector import containers, providers

from app.api.dependencies import OrderEntry
from app.api.rpc import OrderController
from app.application.order_intake import OrderIntake
from app.application.ports import NewId
from kits.observability.metrics import Metrics
from kits.process.lifecycle import Lifecycle
from kits.rpc.metrics import ServerMetrics
from kits.rpc.over_kafka import Brokers, rpc_producer, rpc_server
from kits.rpc.part import RpcPart

GROUP = "order-service"


def _state(is_open: bool) -> str:
    return "open" if is_open else "closed"


class RpcContainer(containers.DeclarativeContainer):
    """`door()` is a part of the lifecycle: the open door, or nothing."""

    is_open = providers.Dependency(instance_of=bool)
    brokers: providers.Dependency[Brokers] = providers.Dependency()
    order_intake = providers.Dependency(instance_of=OrderIntake)
    new_id: providers.Dependency[NewId] = providers.Dependency()
    metrics = providers.Dependency(instance_of=Metrics)

    _producer = providers.Singleton(rpc_producer, brokers)
    _controller = providers.Factory(OrderController, providers.Factory(OrderEntry, order_intake, new_id))
    server = providers.Singleton(
        rpc_server,
        brokers,
        _producer,
        providers.Factory(ServerMetrics, metrics),
        providers.List(_controller),
        group=GROUP,
    )
    door = providers.Selector(
        providers.Callable(_state, is_open),
        open=providers.Singleton(RpcPart, _producer, server),
        closed=providers.Singleton(Lifecycle, providers.List()),
    )
