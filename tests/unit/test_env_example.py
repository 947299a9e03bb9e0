"""`.env.example` lists exactly the settings that the processes read, with their defaults."""

import re
from pathlib import Path

import msgspec
import pytest

from app.settings import AppSettings, DatabaseCommandSettings, TokenCommandSettings
from conduit.articles.settings import ArticlesSettings
from conduit.auth.settings import AuthSettings
from conduit.gateway.settings import GatewaySettings
from conduit.profiles.settings import ProfilesSettings
from kits.env_file import read_env_file
from kits.settings import is_secret, read_settings, variables
from services.members.settings import MembersSettings
from services.sales.settings import RebuildSettings
from worker.groups.data_platform.settings import DeliverySettings
from worker.settings import InboxSettings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
STRUCTS = (
    TokenCommandSettings,
    DatabaseCommandSettings,
    AppSettings,
    InboxSettings,
    DeliverySettings,
    MembersSettings,
    RebuildSettings,
    ArticlesSettings,
    AuthSettings,
    ProfilesSettings,
    GatewaySettings,
)
OF_DEVSERVICES = {"PLATFORM_PORT"}
SHOWN_FILLED = {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "DATA_PLATFORM_URL"}
SHOWN_BETTER = {"MAX_CONNECTIONS_PER_ADDRESS", "MAX_OPEN_ORDERS"}


def example() -> dict[str, str]:
    """The settings that the file shows, as an environment."""
    return dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))


def fields() -> dict[str, msgspec.structs.FieldInfo]:
    """Every setting of every struct, by its variable."""
    return {name: field for kind in STRUCTS for name, field in variables(kind).items()}


def test_the_file_names_every_setting_and_no_other() -> None:
    """A setting that nobody can find is none."""
    assert sorted(example()) == sorted({*fields(), *OF_DEVSERVICES})


@pytest.mark.parametrize("name", sorted(set(fields()) - SHOWN_FILLED - SHOWN_BETTER))
def test_a_setting_is_shown_with_its_default(name: str) -> None:
    """So that taking a # away changes nothing yet."""
    field = fields()[name]
    default = "" if field.required else field.default
    shown = example()[name]
    if isinstance(default, bool):
        assert shown == str(default).lower()
    elif isinstance(default, int | float):
        assert float(shown) == default
    else:
        assert shown == str(default)


def test_a_copy_of_the_file_changes_nothing() -> None:
    """Every line is a comment, for the product's own reader and for whatever else reads such a file."""
    assert read_env_file({"ENV_FILE": str(EXAMPLE)}) == {}
    assert not [
        line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line[:1] not in {"#", ""}
    ]


@pytest.mark.parametrize(
    "kind",
    [AppSettings, DeliverySettings, MembersSettings, RebuildSettings, ArticlesSettings, ProfilesSettings],
)
def test_what_the_file_shows_is_valid_with_a_secret(kind: type[msgspec.Struct]) -> None:
    """Also when every # is taken away."""
    read_settings(kind, example() | {"JWT_SECRET": "x" * 32})


def test_the_head_names_every_secret_that_may_stand_in_a_file() -> None:
    """`NAME_FILE` is no line of its own: it would have to be empty in every copy."""
    head = EXAMPLE.read_text(encoding="utf-8").partition("# ---")[0]
    assert [name for name, field in fields().items() if is_secret(field.type) and name not in head] == []
