"""The operator's commands: where their objects are built, on top of those that the worker itself has."""

import asyncio
from collections.abc import Callable

from dependency_injector import providers

from contracts.topics import ORDER_EVENTS
from kits.kafka.group_admin import GroupAdmin
from kits.kafka.group_watch import GroupWatch
from kits.ordered_queue.actions import Actions
from worker.container import CLIENT_ID, Container, LedgerContainer
from worker.data_platform_client import HttpDataPlatformClient
from worker.delivery.giving_up import GivesUp
from worker.delivery.operator_actions import Tools
from worker.delivery.ports import Clock, DeadLetters, Ledger
from worker.delivery.redrive import Redrive
from worker.delivery.single_calls import SingleCalls
from worker.delivery.stuck import StuckOrders
from worker.inbox.operations import InboxOperations
from worker.inbox.queue_table import inbox_queue
from worker.inbox.stuck import StuckEvents
from worker.ledger.offsets import SqlLedgerOffsets
from worker.ledger.order_views import SqlOrderViews
from worker.ledger.stuck_orders import SqlStuckOrders


def operator_tools(
    *,
    ledger: Ledger,
    stuck: StuckOrders,
    platform: HttpDataPlatformClient,
    dead_letters: DeadLetters,
    clock: Clock,
    group: str,
    tells_platform: bool,
    stop: asyncio.Event,
    per_second: float | None,
    on_delivered: Callable[[], None],
) -> Tools:
    """What a `dlq` action works with until `stop` is set."""
    calls = SingleCalls(platform, stop=stop, per_second=per_second)
    return Tools(
        stuck,
        Redrive(
            stuck=stuck,
            ledger=ledger,
            dead_letters=dead_letters,
            clock=clock,
            calls=calls,
            on_delivered=on_delivered,
        ),
        GivesUp(stuck=stuck, calls=calls, clock=clock, group=group, tells_platform=tells_platform),
    )


class ViewContainer(LedgerContainer):
    """What `dlq list` and `dlq show` need: the ledger alone."""

    stuck_orders = providers.Singleton(SqlStuckOrders, LedgerContainer.engine, group=LedgerContainer.group)
    order_views = providers.Singleton(SqlOrderViews, LedgerContainer.engine, group=LedgerContainer.group)


class ActionContainer(Container):
    """What `dlq redrive`, `skip` and `discard` need: the ledger, the platform, the dead-letter topic."""

    stuck_orders = providers.Singleton(SqlStuckOrders, LedgerContainer.engine, group=LedgerContainer.group)
    operator_tools = providers.Factory(
        operator_tools,
        ledger=Container.ledger,
        stuck=stuck_orders,
        platform=Container.client,
        dead_letters=Container.dead_letters,
        clock=Container.clock,
        group=Container.group,
        tells_platform=Container.settings.provided.data_platform.skip_notices,
    )


class OffsetsContainer(LedgerContainer):
    """What `offsets` needs: the ledger, and the group as the brokers see it."""

    order_events = providers.Object(ORDER_EVENTS)
    group_admin = providers.Singleton(
        GroupAdmin,
        bootstrap_servers=LedgerContainer.settings.provided.kafka.bootstrap_servers,
        security=LedgerContainer.settings.provided.kafka,
        client_id=CLIENT_ID,
        group=LedgerContainer.group,
    )
    ledger_offsets = providers.Singleton(
        SqlLedgerOffsets, LedgerContainer.engine, group=LedgerContainer.group
    )


class InboxCommands(LedgerContainer):
    """What the commands about the inbox need. Topic and group can be overridden, by tests too."""

    order_events = providers.Object(ORDER_EVENTS)
    stuck_events = providers.Singleton(StuckEvents, LedgerContainer.engine, group=LedgerContainer.group)
    actions = providers.Singleton(
        Actions, providers.Singleton(inbox_queue, LedgerContainer.group, LedgerContainer.engine)
    )
    operations = providers.Singleton(
        InboxOperations, LedgerContainer.engine, actions, group=LedgerContainer.group
    )


class PositionCommands(InboxCommands):
    """What `offsets` and `status` need: the inbox, and the group as the brokers see it."""

    watch = providers.Singleton(
        GroupWatch,
        bootstrap_servers=InboxCommands.settings.provided.kafka.bootstrap_servers,
        security=InboxCommands.settings.provided.kafka,
        client_id=CLIENT_ID,
        group=InboxCommands.group,
        topics=providers.List(InboxCommands.order_events),
        within_seconds=10.0,
    )
