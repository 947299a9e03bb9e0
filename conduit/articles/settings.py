"""The settings of articles; each command reads only what it needs (see .env.example)."""

from kits.kafka.security import KafkaSettings
from kits.postgres.engine import SchemaName
from kits.rpc_service.settings import ServiceDatabaseSettings, ServicePlace
from kits.web.server.settings import Port

CLIENT_ID = "conduit-articles"
"""Of Kafka's client, and the group's name."""


class ArticlesPlace(ServicePlace, frozen=True, kw_only=True):
    """The process and its place: group `CONDUIT_ARTICLES_…`."""

    database_schema: SchemaName = "conduit_articles"
    ops_port: Port = 8033


class ArticlesDatabaseSettings(ServiceDatabaseSettings, frozen=True, kw_only=True):
    """What the commands read that only touch the database."""

    conduit_articles: ArticlesPlace = ArticlesPlace()


class ArticlesSettings(ArticlesDatabaseSettings, frozen=True, kw_only=True):
    """What serving reads."""

    kafka: KafkaSettings
