"""Use cases of auth: register, sign in, change, describe, and tell everybody once more."""

from dataclasses import dataclass, field, replace

from msgspec import UNSET
from uuid_utils import uuid7

from conduit.auth.ports import (
    Account,
    AccountReader,
    Keyring,
    PasswordHasher,
    Work,
    WorkOpener,
)
from conduit.contracts.refusals import BLANK, not_found, refusal
from conduit.contracts.sealing import Secrets, UnsealableError, seal_token
from conduit.contracts.users import Credentials, SignedIn, User, UserChanged, UserCreation, UserUpdate
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.rpc.errors import RpcError

log = get_logger(__name__)

MIN_PASSWORD = 8
MAX_PASSWORD = 128
_PAGE = 200
_LINE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password's hash, made before the transaction, and the key under which a token is sealed."""

    password_hash: str = field(repr=False)
    reply_key: bytes = field(repr=False)


class UserService:
    """Every method raises RpcError: what a pattern of conduit.contracts.users refuses, or 503."""

    def __init__(self, reader: AccountReader, passwords: PasswordHasher, keys: Keyring) -> None:
        self._reader = reader
        self._passwords = passwords
        self._keys = keys
        self._lines = Repeats(every_seconds=_LINE_SECONDS)

    async def new_password(self, sealed: str) -> NewPassword:
        """What is to be stored of a password; takes long, so no transaction waits for it."""
        secrets = self._opened(sealed)
        if not secrets.password:
            raise refusal(422, "password", BLANK)
        if len(secrets.password) < MIN_PASSWORD:
            raise refusal(422, "password", f"is too short (minimum is {MIN_PASSWORD} characters)")
        if len(secrets.password) > MAX_PASSWORD:
            raise refusal(422, "password", f"is too long (maximum is {MAX_PASSWORD} characters)")
        return NewPassword(await self._passwords.hash(secrets.password), secrets.reply_key)

    async def register(self, command: UserCreation, password: NewPassword, work: Work) -> SignedIn:
        """A new user, who is signed in; its event is in the same transaction."""
        account = await work.accounts.add(
            str(uuid7()), command.username, command.email, password.password_hash
        )
        await work.outbox.add(account)
        return self._signed_in(account, password.reply_key)

    async def sign_in(self, credentials: Credentials) -> SignedIn:
        """The user of this address; a wrong address and a wrong password look the same, and take as long."""
        secrets = self._opened(credentials.password)
        account = await self._reader.with_email(credentials.email)
        verdict = await self._passwords.check(secrets.password, account.password_hash if account else None)
        if account is None or not verdict.is_right:
            raise refusal(401, "credentials", "invalid")
        if verdict.rehashed is not None:
            await self._reader.rehash(account, verdict.rehashed)
        return self._signed_in(account, secrets.reply_key)

    async def update(self, command: UserUpdate, password: NewPassword | None, work: Work) -> User:
        """Change what is given. What others see makes a new version, with its event."""
        former = await work.accounts.lock(command.id)
        if former is None:
            raise not_found("user")
        changed = replace(
            former,
            username=former.username if command.username is UNSET else command.username,
            email=former.email if command.email is UNSET else command.email,
            bio=former.bio if command.bio is UNSET else command.bio or None,
            image=former.image if command.image is UNSET else command.image or None,
            password_hash=former.password_hash if password is None else password.password_hash,
        )
        is_seen = described(changed) != described(former)
        if is_seen:
            changed = replace(changed, version=former.version + 1)
        if changed != former:
            changed = await work.accounts.change(changed)
        if is_seen:
            await work.outbox.add(changed)
        return _user(changed)

    async def with_id(self, user_id: str) -> User:
        """Who has this id."""
        return _user(_found(await self._reader.with_id(user_id)))

    async def describe(self, user_id: str) -> UserChanged:
        """What everybody may know of who has this id."""
        return described(_found(await self._reader.with_id(user_id)))

    async def describe_named(self, username: str) -> UserChanged:
        """What everybody may know of who has this name now."""
        return described(_found(await self._reader.named(username)))

    def _opened(self, sealed: str) -> Secrets:
        try:
            return self._keys.open(sealed)
        except UnsealableError:
            if count := self._lines.due("unsealable"):
                action = "give the gateway the public parts of auth's keys, and restart it"
                log.warning("sealed_for_another_key", count=count, action=action)
            words = "was sealed for another key: restart the gateway with auth's keys"
            raise RpcError(422, "password_unsealable", words, path="password") from None

    def _signed_in(self, account: Account, reply_key: bytes) -> SignedIn:
        return SignedIn(user=_user(account), token=seal_token(self._keys.issue(account.id), reply_key))


class Republishing:
    """Everything once more, for a topic that was lost: it changes rows, the running processes do the rest."""

    def __init__(self, transactions: WorkOpener) -> None:
        self._transactions = transactions

    async def all(self) -> int:
        """Put the newest event of every user back into the outbox, 200 users a transaction; how many.

        Safe twice, cut off in the middle, and beside changes: each user is locked for a moment.
        """
        count, after = 0, ""
        while True:
            async with self._transactions() as work:
                accounts = await work.accounts.lock_page(after, _PAGE)
                count += await work.outbox.repeat(accounts) if accounts else 0
            if len(accounts) < _PAGE:
                return count
            after = accounts[-1].id


def described(account: Account) -> UserChanged:
    """What everybody may know of it."""
    return UserChanged(
        id=account.id,
        username=account.username,
        bio=account.bio,
        image=account.image,
        version=account.version,
    )


def _user(account: Account) -> User:
    return User(
        id=account.id,
        username=account.username,
        email=account.email,
        bio=account.bio,
        image=account.image,
        version=account.version,
    )


def _found(account: Account | None) -> Account:
    if account is None:
        raise not_found("user")
    return account
