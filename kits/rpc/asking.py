"""Request-reply, asking: one question of an operator, from a process that does nothing else."""

from kits.observability.metrics import Metrics
from kits.rpc.metrics import CallMetrics
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer
from kits.rpc.part import RpcPart
from kits.rpc.patterns import topic_name


async def ask_once(brokers: Brokers, topic: str, value: bytes | None, *, timeout: float) -> bytes | None:
    """Ask, and return the reply as it travels.

    Raises:
        RpcError: refused, or nobody answered, or Kafka is away; ValueError: no such topic can be.
    """
    name = topic_name(topic)
    producer = rpc_producer(brokers)
    client = rpc_client(brokers, producer, CallMetrics(Metrics()))
    async with RpcPart(producer, client):
        return await client.ask(name, value, timeout=timeout)
