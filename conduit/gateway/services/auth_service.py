"""Use cases: registration, login, one's own account. Passwords leave this process sealed, tokens come so."""

from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET

from conduit.contracts.sealing import UnsealableError, fresh_reply_key, open_token, seal_password
from conduit.contracts.users import (
    GET_USER,
    USER_CREATION,
    USER_UPDATE,
    VALIDATE_USER,
    Credentials,
    SignedIn,
    User,
    UserCreation,
    UserUpdate,
    UserWithId,
)
from conduit.gateway.backend import Backend
from conduit.gateway.errors import RefusedError, ServiceAwayError, invalid_token
from conduit.gateway.forms import AccountChanges, Login, Registration
from conduit.gateway.sealing_keys import SealingKey

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Account:
    """A user, and the token that proves to be it."""

    user: User
    token: str = field(repr=False)


class AuthService:
    """Raises, from every method: RefusedError as auth says it; ServiceAwayError."""

    def __init__(self, auth: Backend, sealing: SealingKey) -> None:
        self._auth = auth
        self._sealing = sealing

    async def register(self, form: Registration) -> Account:
        """A new user, logged in; 409 if somebody has the name or the address."""
        reply_key = fresh_reply_key()
        sealed = seal_password(form.password, reply_key, self._sealing.current())
        wish = UserCreation(username=form.username, email=form.email, password=sealed)
        return self._account(await self._auth.ask(USER_CREATION, wish, key=form.email), reply_key)

    async def log_in(self, form: Login) -> Account:
        """Whoever knows the password; 401 `credentials` otherwise."""
        reply_key = fresh_reply_key()
        sealed = seal_password(form.password, reply_key, self._sealing.current())
        credentials = Credentials(email=form.email, password=sealed)
        return self._account(await self._auth.ask(VALIDATE_USER, credentials), reply_key)

    async def account(self, user_id: str, token: str) -> Account:
        """Whoever the token names, with the same token."""
        try:
            return Account(await self._auth.ask(GET_USER, UserWithId(id=user_id)), token)
        except RefusedError as error:
            raise _of_account(error) from error

    async def update(self, user_id: str, token: str, form: AccountChanges) -> Account:
        """The account as it is after these changes; 409 as for registration."""
        password = form.password
        if password is not UNSET:
            password = seal_password(password, fresh_reply_key(), self._sealing.current())
        changes = UserUpdate(id=user_id, **{**msgspec.structs.asdict(form), "password": password})
        try:
            return Account(await self._auth.ask(USER_UPDATE, changes, key=user_id), token)
        except RefusedError as error:
            raise _of_account(error) from error

    def _account(self, signed_in: SignedIn, reply_key: bytes) -> Account:
        try:
            return Account(signed_in.user, open_token(signed_in.token, reply_key))
        except UnsealableError as error:
            raise ServiceAwayError(self._auth.name, "auth answered for somebody else.") from error


def _of_account(error: RefusedError) -> RefusedError:
    """The user of a good token is gone."""
    return invalid_token() if error.status == _NOT_FOUND else error
