"""What needs files or another process, but no broker: certificates, and the weight of the plain modules."""

import asyncio
import gc
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from kits.kafka.errors import KafkaConfigurationError
from kits.kafka.producer import RecordProducer
from kits.kafka.security import KafkaSecurity, client_options
from tests.certificates import CertificateAuthority
from tests.waiting import patient


def test_a_file_that_is_no_certificate_is_a_matter_of_configuration(tmp_path: Path) -> None:
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    with pytest.raises(KafkaConfigurationError, match="PEM"):
        client_options(KafkaSecurity(security_protocol="SSL", ssl_ca_file=str(nonsense)))


def test_a_client_certificate_is_loaded(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path, "test-ca")
    certificate, key = authority.issue("api")
    security = KafkaSecurity(
        security_protocol="SSL",
        ssl_ca_file=str(authority.file),
        ssl_cert_file=str(certificate),
        ssl_key_file=str(key),
    )
    assert isinstance(client_options(security)["ssl_context"], ssl.SSLContext)


def test_records_and_errors_can_be_used_without_the_client_library() -> None:
    program = "import sys, kits.kafka.records, kits.kafka.errors; sys.exit('aiokafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=patient(60)).returncode == 0


async def test_a_producer_stopped_at_any_moment_of_connecting_leaves_no_client_behind() -> None:
    before = asyncio.all_tasks()
    for step in range(40):
        producer = RecordProducer(bootstrap_servers="127.0.0.1:1", security=KafkaSecurity(), client_id="test")
        await producer.start()
        for _ in range(step):
            await asyncio.sleep(0)
        await producer.stop(within_seconds=1.0)
    assert asyncio.all_tasks() <= before
    # A client that was not stopped warns when it is collected, and a warning is a failure.
    gc.collect()
