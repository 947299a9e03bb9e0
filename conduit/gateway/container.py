"""The one place where the objects of conduit's gateway are built."""

from pathlib import Path

from dependency_injector import containers, providers

from conduit.contracts.tokens import AUDIENCE, ISSUER
from conduit.gateway.backend import Backend
from conduit.gateway.graphql.door import GraphQLDoor
from conduit.gateway.graphql.schema import graphql_schema
from conduit.gateway.sealing_keys import SealingKey
from conduit.gateway.services.all_services import Services
from conduit.gateway.services.article_service import ArticleService
from conduit.gateway.services.auth_service import AuthService
from conduit.gateway.services.profile_service import ProfileService
from conduit.gateway.settings import CLIENT_ID, GatewaySettings
from conduit.gateway.shared_questions import SharedQuestions
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.process.lifecycle import Lifecycle
from kits.resilience.breaker_gauge import BreakerGauge
from kits.resilience.clock import BootClock
from kits.rpc.health import RpcClientCheck
from kits.rpc.metrics import CallMetrics
from kits.rpc.neighbour import Neighbour
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer
from kits.rpc.part import RpcPart
from kits.web.middleware.turns import Turns
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import TokenVerifier


class Container(containers.DeclarativeContainer):
    """Everything that serving needs; nothing is contacted until `lifecycle().start()`."""

    settings = providers.Dependency(instance_of=GatewaySettings)
    _place = settings.provided.conduit_gateway
    metrics = providers.Singleton(Metrics)
    clock = providers.Singleton(BootClock)

    # Kafka
    _brokers = providers.Factory(
        Brokers,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )
    producer = providers.Singleton(rpc_producer, _brokers)
    rpc = providers.Singleton(rpc_client, _brokers, producer, providers.Factory(CallMetrics, metrics))
    lifecycle = providers.Singleton(Lifecycle, providers.List(providers.Singleton(RpcPart, producer, rpc)))

    # Neighbours: none of them is held responsible for another
    _gauge = providers.Singleton(BreakerGauge, metrics)
    _neighbour = providers.Factory(
        Neighbour, rpc=rpc, clock=clock, gauge=_gauge, timeout_seconds=_place.timeout_seconds
    )
    auth = providers.Singleton(_neighbour, "auth")
    articles = providers.Singleton(_neighbour, "articles")
    profiles = providers.Singleton(_neighbour, "profiles")
    _backend = providers.Factory(Backend, timeout_seconds=_place.timeout_seconds)

    # Use cases
    sealing_key = providers.Singleton(SealingKey, providers.Factory(Path, _place.keys_file))
    profile_service = providers.Singleton(ProfileService, providers.Factory(_backend, profiles))
    services = providers.Singleton(
        Services,
        auth=providers.Singleton(AuthService, providers.Factory(_backend, auth), sealing_key),
        articles=providers.Singleton(
            ArticleService,
            providers.Factory(_backend, articles),
            providers.Singleton(SharedQuestions, providers.Factory(_backend, articles)),
            profile_service,
        ),
        profiles=profile_service,
    )

    # Doors
    graphql_door = providers.Singleton(
        GraphQLDoor,
        providers.Factory(graphql_schema, introspection=_place.introspection),
        services,
        _place.timeout_seconds,
    )
    token_verifier = providers.Singleton(
        TokenVerifier, issuer=ISSUER, audience=AUDIENCE, jwks_file=_place.keys_file
    )
    refused_tokens = providers.Singleton(RefusedTokens, metrics)
    turns = providers.Singleton(Turns)
    rpc_check = providers.Factory(RpcClientCheck, rpc, producer)
    health = providers.Singleton(
        Health,
        providers.List(rpc_check, auth, articles, profiles, token_verifier),
    )
