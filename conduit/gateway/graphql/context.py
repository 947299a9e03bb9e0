"""GraphQL: what the resolvers of one request share: who asks, the use cases, and whom the asker follows."""

from strawberry.dataloader import DataLoader

from conduit.contracts.texts import MAX_PAGE
from conduit.gateway.errors import missing_token
from conduit.gateway.services.all_services import Services


class Asker:
    """Made for one request. Profiles is asked once for all authors, and only if `following` is selected."""

    def __init__(self, services: Services, reader: str | None, token: str) -> None:
        """Args: reader: the user's id, None for nobody known; token: the one that proved it."""
        self.services = services
        self.reader = reader
        self.token = token
        self.following = DataLoader(load_fn=self._following, max_batch_size=MAX_PAGE)

    def user_id(self) -> str:
        """Whoever asks. Raises RefusedError for nobody known."""
        if self.reader is None:
            raise missing_token()
        return self.reader

    async def _following(self, users: list[str]) -> list[bool]:
        followed = await self.services.profiles.followed_among(self.reader, users)
        return [user in followed for user in users]
