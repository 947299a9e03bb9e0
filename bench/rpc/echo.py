"""An echo over kits/rpc: `python -m bench.rpc.echo serve SERVERS`, or `call SERVERS IN_FLIGHT SECONDS`."""

import asyncio
import sys

import msgspec
import uvloop

from bench.rpc.calling import Message, measure
from kits.kafka.security import KafkaSecurity
from kits.observability.metrics import Metrics
from kits.process.garbage_collection import long_lived_objects_set_aside
from kits.process.signals import stop_on_signals
from kits.rpc.client import RpcClient
from kits.rpc.handlers import message_pattern
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer, rpc_server
from kits.rpc.patterns import Pattern

_READY_SECONDS = 60.0
_STOP_SECONDS = 2.0


ECHO = Pattern("bench-rpc.echo", Message, Message)
SERVICE, CALLER = "bench-rpc-service", "bench-rpc-caller"


class EchoController:
    """Answers with what it is asked."""

    @message_pattern(ECHO)
    async def echo(self, message: Message) -> Message:
        """The same."""
        return message


class Caller:
    """calling.Echo."""

    def __init__(self, client: RpcClient) -> None:
        self._client = client

    async def ask(self, message: Message) -> Message:
        """See Echo."""
        return await self._client.send(ECHO, message, timeout=_READY_SECONDS)


async def _serve(servers: str) -> None:
    brokers = _brokers(servers, SERVICE)
    producer = rpc_producer(brokers)
    server = rpc_server(brokers, producer, ServerMetrics(Metrics()), [EchoController()], group=SERVICE)
    with stop_on_signals() as signals:
        await producer.start()
        await server.start()
        with long_lived_objects_set_aside():
            await signals.asked.wait()
        await server.stop()
        await producer.stop(within_seconds=_STOP_SECONDS)


async def _call(servers: str, in_flight: int, seconds: float) -> None:
    brokers = _brokers(servers, CALLER)
    producer = rpc_producer(brokers)
    client = rpc_client(brokers, producer, CallMetrics(Metrics()))
    await producer.start()
    await client.start()
    called = await measure(Caller(client), in_flight, seconds)
    await client.stop()
    await producer.stop(within_seconds=_STOP_SECONDS)
    print(msgspec.json.encode(called).decode())


def _brokers(servers: str, client_id: str) -> Brokers:
    return {"bootstrap_servers": servers, "security": KafkaSecurity(), "client_id": client_id}


if __name__ == "__main__":
    command, given_servers, *numbers = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if command == "serve":
            runner.run(_serve(given_servers))
        else:
            runner.run(_call(given_servers, int(numbers[0]), float(numbers[1])))
