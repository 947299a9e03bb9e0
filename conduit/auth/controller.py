"""What others may ask of auth."""

from conduit.auth.service import UserService
from conduit.contracts.users import (
    DESCRIBE_USER,
    DESCRIBE_USERNAME,
    GET_USER,
    USER_CREATION,
    USER_UPDATE,
    VALIDATE_USER,
    Credentials,
    SignedIn,
    User,
    UserChanged,
    UserCreation,
    UserNamed,
    UserUpdate,
    UserWithId,
)
from kits.rpc.call import Call
from kits.rpc.handlers import message_pattern
from kits.rpc_service.storage import storage_refusals


class UserController:
    """Each change happens once, however often its request comes."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    @message_pattern(USER_CREATION)
    async def create(self, command: UserCreation, call: Call) -> SignedIn:
        """Register."""
        with storage_refusals():
            password = await self._users.new_password(command.password)
            async with call.once() as work:
                return await self._users.register(command, password, work)

    @message_pattern(VALIDATE_USER)
    async def validate(self, credentials: Credentials) -> SignedIn:
        """Sign in."""
        with storage_refusals():
            return await self._users.sign_in(credentials)

    @message_pattern(USER_UPDATE)
    async def update(self, command: UserUpdate, call: Call) -> User:
        """Change."""
        with storage_refusals():
            given = command.password
            password = await self._users.new_password(given) if isinstance(given, str) else None
            async with call.once() as work:
                return await self._users.update(command, password, work)

    @message_pattern(GET_USER)
    async def user(self, query: UserWithId) -> User:
        """One user."""
        with storage_refusals():
            return await self._users.with_id(query.id)

    @message_pattern(DESCRIBE_USER)
    async def describe(self, query: UserWithId) -> UserChanged:
        """For a copy that misses one."""
        with storage_refusals():
            return await self._users.describe(query.id)

    @message_pattern(DESCRIBE_USERNAME)
    async def describe_named(self, query: UserNamed) -> UserChanged:
        """The same, by name."""
        with storage_refusals():
            return await self._users.describe_named(query.username)
