"""What the settings of identity and limits make of the doors, through the reader and the container."""

import json
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from app.cli import development_token
from app.cli.program import main
from app.container import Container
from app.settings import AppSettings
from kits.observability.health import Status
from kits.settings import SettingsError, read_settings
from kits.web.tokens.claims import InvalidTokenError
from kits.web.tokens.verifier import issue_token

NEEDED = {
    "DATABASE_URL": "postgresql://nowhere/none",
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092",
    "JWT_SECRET": "s" * 32,
}


def container(**environment: str) -> Container:
    """Of a process with this environment; nothing is contacted."""
    return Container(settings=read_settings(AppSettings, NEEDED | environment))


def test_without_the_setting_there_is_no_limiter_on_the_way_of_a_request() -> None:
    """Off costs nothing."""
    assert container().rate_limiter() is None


def test_the_rate_limit_of_the_environment_is_the_doors_limit() -> None:
    """Two and a half per second: three at once."""
    limiter = container(RATE_LIMIT_PER_SECOND="2.5").rate_limiter()
    assert limiter is not None
    assert [limiter.admit("c-1") > 0 for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "many"])
def test_a_rate_that_is_none_stops_the_start(rate: str) -> None:
    """With the name of the variable."""
    with pytest.raises(SettingsError, match="RATE_LIMIT_PER_SECOND"):
        container(RATE_LIMIT_PER_SECOND=rate)


def test_a_key_file_alone_is_enough_and_is_followed(tmp_path: Path) -> None:
    """A service without any shared secret; the next key is accepted when a token names it."""
    path = tmp_path / "jwks.json"
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("first", "second")}

    def write(*names: str) -> None:
        public = [ECAlgorithm.to_jwk(keys[name].public_key(), as_dict=True) | {"kid": name} for name in names]
        path.write_text(json.dumps({"keys": public}))

    def token(name: str) -> str:
        claims = {"sub": name, "iss": "order-pipeline", "aud": "orders", "exp": int(time.time()) + 60}
        return jwt.encode(claims, keys[name], algorithm="ES256", headers={"kid": name})

    write("first")
    verifier = container(JWT_SECRET="", JWT_JWKS_FILE=str(path)).token_verifier()
    assert verifier.verify(token("first")).subject == "first"
    write("first", "second")
    assert verifier.verify(token("second")).subject == "second"


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"JWT_SECRET": ""}, "JWT_SECRET or JWT_JWKS_FILE or JWT_JWKS_URL is missing"),
        ({"JWT_JWKS_URL": "http://issuer.example/keys"}, "JWT_JWKS_URL: must be https"),
        ({"JWT_MAX_LIFETIME_SECONDS": "-1"}, "JWT_MAX_LIFETIME_SECONDS"),
    ],
)
def test_settings_of_tokens_that_cannot_be_meant_stop_the_start(
    environment: dict[str, str], name: str
) -> None:
    """With the name of the variable."""
    with pytest.raises(SettingsError, match=name):
        container(**environment)


async def test_an_address_alone_is_enough_and_its_keys_decide_readiness() -> None:
    """It is asked when the process starts; until then nothing verifies."""
    made = container(JWT_SECRET="", JWT_JWKS_URL="https://issuer.example/keys")
    found = await made.token_verifier().check()
    assert found.status is Status.UNREADY
    assert found.detail.startswith("No key verifies tokens. JWT_JWKS_URL https://issuer.example/keys")
    assert made.jwks_url() in made.lifecycle()._parts


@pytest.mark.parametrize(
    ("demanded", "fault"),
    [({"JWT_TYPE": "at+jwt"}, "wrong_type"), ({"JWT_MAX_LIFETIME_SECONDS": "60"}, "lives_too_long")],
)
def test_more_can_be_demanded_of_a_token(demanded: dict[str, str], fault: str) -> None:
    """Neither is by default."""
    token = issue_token(NEEDED["JWT_SECRET"], "c-1", issuer="order-pipeline", audience="orders")
    assert container().token_verifier().verify(token).subject == "c-1"
    with pytest.raises(InvalidTokenError) as refused:
        container(**demanded).token_verifier().verify(token)
    assert refused.value.fault.value == fault


def test_a_development_token_is_what_the_same_settings_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its type, and no longer lifetime than is allowed."""
    demanded = {"JWT_TYPE": "at+jwt", "JWT_MAX_LIFETIME_SECONDS": "60"}
    # The command itself would configure the logs of this whole process.
    monkeypatch.setattr(development_token, "settings_of", lambda kind: read_settings(kind, NEEDED | demanded))
    assert main(["token", "--sub", "c-1"]) == 0
    verifier = container(**demanded).token_verifier()
    assert verifier.verify(capsys.readouterr().out.strip()).subject == "c-1"
