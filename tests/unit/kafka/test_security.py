"""Security settings become the client's options, and every contradiction is told at once."""

import ssl

import pytest

from kits.kafka.errors import KafkaConfigurationError
from kits.kafka.security import KafkaSecurity, client_options
from kits.settings import Secret


def test_by_default_nothing_but_the_protocol_is_told() -> None:
    assert client_options(KafkaSecurity()) == {"security_protocol": "PLAINTEXT"}


def test_sasl_over_tls_brings_credentials_and_a_context_that_checks_the_host() -> None:
    security = KafkaSecurity(
        security_protocol="SASL_SSL", sasl_username="api", sasl_password=Secret("s3cret")
    )
    options = client_options(security)
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "api")
    assert options["sasl_plain_password"] == "s3cret"
    context = options["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_password_in_the_clear_is_refused_unless_it_is_allowed() -> None:
    security = KafkaSecurity(
        security_protocol="SASL_PLAINTEXT", sasl_username="api", sasl_password=Secret("s3cret")
    )
    with pytest.raises(KafkaConfigurationError, match="not encrypted"):
        client_options(security)
    allowed = KafkaSecurity(
        security_protocol="SASL_PLAINTEXT",
        sasl_username="api",
        sasl_password=Secret("s3cret"),
        allow_plaintext_sasl=True,
    )
    assert client_options(allowed)["security_protocol"] == "SASL_PLAINTEXT"


def test_every_problem_is_told_at_once_and_no_secret_is_printed() -> None:
    security = KafkaSecurity(
        security_protocol="PLAINTEXT",
        sasl_password=Secret("s3cret"),
        ssl_ca_file="/nowhere/ca.pem",
        ssl_key_file="/nowhere/key.pem",
    )
    problems = security.problems()
    assert len(problems) == 5
    with pytest.raises(KafkaConfigurationError) as refused:
        client_options(security)
    assert str(refused.value).splitlines() == problems
    assert "s3cret" not in str(refused.value) + repr(security)


def test_sasl_without_credentials_is_told_twice() -> None:
    assert len(KafkaSecurity(security_protocol="SASL_SSL").problems()) == 2
