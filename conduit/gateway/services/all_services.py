"""Use cases: all of them, as the doors get them."""

from dataclasses import dataclass

from conduit.gateway.services.article_service import ArticleService
from conduit.gateway.services.auth_service import AuthService
from conduit.gateway.services.profile_service import ProfileService


@dataclass(frozen=True, slots=True)
class Services:
    """One for each neighbour."""

    auth: AuthService
    articles: ArticleService
    profiles: ProfileService
