"""Users of conduit for the tests: auth with keys of its own, and what a gateway does with the public ones."""

from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from sqlalchemy import text

from conduit.auth.container import Container
from conduit.auth.keys import PRIVATE_FILE, PUBLIC_FILE, write_keys
from conduit.auth.settings import AuthPlace, AuthSettings
from conduit.contracts.sealing import fresh_reply_key, open_token, seal_password
from conduit.contracts.users import (
    USER_CHANGED,
    USER_CREATION,
    USER_UPDATE,
    VALIDATE_USER,
    Credentials,
    SignedIn,
    User,
    UserChanged,
    UserCreation,
    UserUpdate,
)
from kits.rpc.client import RpcClient
from tests.conduit_services import NO_KAFKA, asker_on, conduit_kafka, database_of, refused, service_on
from tests.fake_kafka import FakeKafka

PASSWORD = "correct horse battery"
LONG = 30.0


def sealing_key(folder: Path) -> X25519PublicKey:
    """What passwords are sealed for, by the file that the gateway gets."""
    keys = msgspec.json.decode((folder / PUBLIC_FILE).read_bytes())["keys"]
    (x,) = [key["x"] for key in keys if key["use"] == "enc"]
    return X25519PublicKey.from_public_bytes(urlsafe_b64decode(x + "=" * (-len(x) % 4)))


@dataclass
class AuthWorld:
    """Auth, and somebody who asks it as the gateway does."""

    kafka: FakeKafka
    asker: RpcClient
    container: Any
    folder: Path

    def __post_init__(self) -> None:
        self.reply_key = fresh_reply_key()

    def sealed(self, password: str) -> str:
        """As it travels."""
        return seal_password(password, self.reply_key, sealing_key(self.folder))

    def token(self, answer: SignedIn) -> str:
        """As the gateway gives it on."""
        return open_token(answer.token, self.reply_key)

    async def register(self, name: str, *, email: str = "", password: str = PASSWORD) -> SignedIn:
        command = UserCreation(
            username=name, email=email or f"{name}@example.com", password=self.sealed(password)
        )
        return await self.asker.send(USER_CREATION, command, timeout=LONG)

    async def login(self, email: str, password: str = PASSWORD) -> SignedIn:
        credentials = Credentials(email=email, password=self.sealed(password))
        return await self.asker.send(VALIDATE_USER, credentials, timeout=LONG)

    async def update(self, user_id: str, **changes: Any) -> User:
        if "password" in changes:
            changes["password"] = self.sealed(changes["password"])
        return await self.asker.send(USER_UPDATE, UserUpdate(id=user_id, **changes), timeout=LONG)

    def told(self, user_id: str) -> list[UserChanged]:
        """The events of a user, in the order of the log."""
        records = self.kafka.records(USER_CHANGED.topic)
        return [
            msgspec.json.decode(each.value or b"", type=UserChanged)
            for each in records
            if each.key == user_id.encode()
        ]

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a statement finds in auth's schema."""
        async with self.container.engine().begin() as connection:
            await connection.execute(text("SET LOCAL search_path = conduit_auth"))
            result = await connection.execute(text(query), values)
            return [tuple(row) for row in result] if result.returns_rows else []


@asynccontextmanager
async def auth_world(database_url: str, folder: Path) -> AsyncIterator[AuthWorld]:
    """Auth on a Kafka in memory; its keys lie in this folder."""
    write_keys(folder)
    place = AuthPlace(keys_file=str(folder / PRIVATE_FILE))
    settings = AuthSettings(database=database_of(database_url), kafka=NO_KAFKA, conduit_auth=place)
    kafka, container = conduit_kafka(), Container(settings=settings)
    async with service_on(kafka, container, "conduit-auth"), asker_on(kafka) as asker:
        yield AuthWorld(kafka, asker, container, folder)


async def refusal_of(asking: Awaitable[Any]) -> tuple[int, str, str]:
    """Status, field and words."""
    status, _, field, words = await refused(asking)
    return status, field, words
