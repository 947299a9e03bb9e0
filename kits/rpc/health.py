"""Request-reply, health: whether this process can ask, and whether it answers."""

from typing import Protocol

from kits.observability.health import CheckResult, Status
from kits.rpc.client import RpcClient
from kits.rpc.server import RpcServer

_PROBE_SECONDS = 1.0
_AWAY = "Kafka does not answer: look whether its brokers run; it is tried again by itself."


class KafkaProbe(Protocol):
    """What the checks need of the Kafka kit's RecordProducer: an outage shows in no other way."""

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Whether a broker answers now."""
        ...


class RpcClientCheck:
    """Degraded while no reply can be read here, or Kafka is away: calls end at their deadlines."""

    name = "rpc_client"

    def __init__(self, client: RpcClient, kafka: KafkaProbe) -> None:
        self._client = client
        self._kafka = kafka

    async def check(self) -> CheckResult:
        """Within a second."""
        trouble = self._client.trouble or await _away(self._kafka)
        return CheckResult(Status.DEGRADED if trouble else Status.OK, trouble)


class RpcServerCheck:
    """Unready while nothing is served here, with the reason."""

    name = "rpc_server"

    def __init__(self, server: RpcServer, kafka: KafkaProbe) -> None:
        self._server = server
        self._kafka = kafka

    async def check(self) -> CheckResult:
        """Within a second."""
        trouble = self._server.trouble or await _away(self._kafka)
        return CheckResult(Status.UNREADY if trouble else Status.OK, trouble)


async def _away(kafka: KafkaProbe) -> str:
    return "" if await kafka.broker_answers(within_seconds=_PROBE_SECONDS) else _AWAY
