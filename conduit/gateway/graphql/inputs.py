"""GraphQL: what can be sent. The rules are those of the forms, as at the other door."""

from collections.abc import Mapping
from typing import Any

import strawberry


@strawberry.input
class CreateArticleInput:
    """An article to publish."""

    title: str
    description: str
    body: str
    tag_list: list[str] = strawberry.field(default_factory=list)

    def sent(self) -> Mapping[str, Any]:
        """As a body of the other door."""
        return {
            "title": self.title,
            "description": self.description,
            "body": self.body,
            "tagList": self.tag_list,
        }


@strawberry.input
class LoginUserInput:
    """Who one says to be; its repr shows nothing."""

    email: str
    password: str

    def __repr__(self) -> str:
        return "LoginUserInput(***)"

    def sent(self) -> Mapping[str, Any]:
        """As a body of the other door."""
        return {"email": self.email, "password": self.password}


@strawberry.input
class CreateUserInput:
    """Who one wants to be; its repr shows nothing."""

    username: str
    email: str
    password: str

    def __repr__(self) -> str:
        return "CreateUserInput(***)"

    def sent(self) -> Mapping[str, Any]:
        """As a body of the other door."""
        return {"username": self.username, "email": self.email, "password": self.password}
