import pytest
from tests.secured_kafka import *
from tests.integration.kafka.clients import *
from kits.kafka.admin import TopicSpec

async def test_try(secured_kafka):
    admin = topic_admin(secured_kafka.administration)
    await admin.ensure_topics([TopicSpec("t1",3)])
    await secured_kafka.allow(API, Kind.TOPIC, "t1", Operation.WRITE, Operation.DESCRIBE)
    print((secured_kafka.server._directory/"server.properties").read_text())
