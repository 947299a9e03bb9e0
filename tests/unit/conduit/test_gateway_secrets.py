"""Passwords and tokens: sealed on their way, and in no log, error or repr of the gateway."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from structlog.testing import capture_logs

from conduit.contracts.users import User
from conduit.gateway.api.schemas import UserAnswer
from conduit.gateway.forms import AccountChanges, Login, Registration
from conduit.gateway.graphql.door import GraphQLRequest
from conduit.gateway.graphql.inputs import CreateUserInput, LoginUserInput
from conduit.gateway.graphql.types import UserType
from conduit.gateway.sealing_keys import SealingKey
from conduit.gateway.services.auth_service import Account
from kits.web.tokens.keys import TokenKeysError
from tests.unit.conduit.conftest import Gateway
from tests.unit.conduit.in_memory_services import SEALING, write_keys

HIDDEN = "hunter2hunter2"
USER = User(id="u-1", username="ada", email="a@b", bio=None, image=None, version=1)
ACCOUNT = Account(USER, HIDDEN)
OTHER = X25519PrivateKey.generate()


@pytest.mark.parametrize(
    "holder",
    [
        Registration(username="a", email="a@b", password=HIDDEN),
        Login(email="a@b", password=HIDDEN),
        AccountChanges(password=HIDDEN),
        GraphQLRequest(query="{ user }", variables={"password": HIDDEN}),
        LoginUserInput(email="a@b", password=HIDDEN),
        CreateUserInput(username="a", email="a@b", password=HIDDEN),
        ACCOUNT,
        UserType.of(ACCOUNT),
        UserAnswer.of(ACCOUNT),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_no_repr_shows_a_secret(holder: Any) -> None:
    """Whatever ends up in a trace."""
    assert HIDDEN not in repr(holder)
    assert HIDDEN not in f"{holder}"


@pytest.mark.asyncio(loop_scope="module")
async def test_neither_a_topic_nor_a_log_holds_one(gateway: Gateway) -> None:
    """Over registration, login, change and failure, at both doors."""
    user = {"username": "ada", "email": "ada@example.com", "password": HIDDEN}
    login = {"email": "ada@example.com", "password": HIDDEN}
    with capture_logs() as logs:
        token = (await gateway.ask("POST", "/api/users", {"user": user})).json["user"]["token"]
        await gateway.ask("POST", "/api/users/login", {"user": login})
        await gateway.ask("PUT", "/api/user", {"user": {"password": HIDDEN}}, token=token)
        query = "mutation($u: LoginUserInput!) { loginUser(user: $u) { token } }"
        await gateway.query(query, token, u=login)
        gateway.behind.failure = RuntimeError("broken")
        for reply in (
            await gateway.ask("POST", "/api/users/login", {"user": login}, token=token),
            await gateway.query(query, token, u=login),
        ):
            assert HIDDEN.encode() not in reply.body
    for value in (HIDDEN, token):
        assert [topic for topic, data in gateway.behind.sent if value.encode() in data] == []
        assert value not in json.dumps(logs, default=repr)
    assert len(gateway.behind.sent) >= 5


def test_a_sealing_key_is_exchanged_while_the_process_runs(tmp_path: Path) -> None:
    """The former one is used while the file cannot be read."""
    path = write_keys(tmp_path)
    key = SealingKey(path)
    first = key.current().public_bytes_raw()
    assert first == SEALING.public_key().public_bytes_raw()
    path.write_text("{")
    with capture_logs() as logs:
        assert key.current().public_bytes_raw() == first
        assert key.current().public_bytes_raw() == first
    assert [line["event"] for line in logs] == ["sealing_key_not_read"]
    path.unlink()
    assert key.current().public_bytes_raw() == first
    write_keys(tmp_path, OTHER)
    assert key.current().public_bytes_raw() == OTHER.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "change",
    [
        lambda keys: [],
        lambda keys: [{**key, "use": "sig"} for key in keys],
        lambda keys: [{**key, "x": "***"} for key in keys],
        lambda keys: [{**key, "x": "AAAA"} for key in keys],
    ],
)
def test_a_file_without_a_key_that_seals_is_refused_at_the_start(
    tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    """In a sentence that names the file."""
    path = write_keys(tmp_path)
    path.write_text(json.dumps({"keys": change(json.loads(path.read_text())["keys"])}))
    with pytest.raises(TokenKeysError, match=r"gateway\.json"):
        SealingKey(path)
