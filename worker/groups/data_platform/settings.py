"""Data platform, settings: where it is, and whether the way there is safe for what travels on it."""

from typing import Annotated

import msgspec

from kits.patterns import whole
from kits.settings import Secret
from kits.web.addresses import is_authority_file, sends_in_plain_text
from worker.settings import WorkerSettings

Address = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(r"https?://[^\s/?#]+(/[^\s?#]*)?"),
        description="an address that begins with http:// or https://, without query or fragment",
    ),
]


class DataPlatformSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver: group `DATA_PLATFORM_…`."""

    url: Address
    token: Secret = Secret("")
    allow_plaintext_token: bool = False
    """Whether the token may go over http:// to another machine."""
    ca_file: str = ""
    """PEM file of the authority that signed its certificate; empty: the system's."""
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """Events per call; 1: always the single call."""
    batch_calls: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    single_calls: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    skip_notices: bool = True
    """Whether it is told of a number that an operator has given up, by order.event_skipped."""

    @property
    def connections(self) -> int:
        """One for every call that may be in flight."""
        return self.batch_calls + self.single_calls

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found: list[str] = []
        if self.token and not self.allow_plaintext_token and sends_in_plain_text(self.url):
            found.append(
                "DATA_PLATFORM_TOKEN would go over http:// in plain text: use https://, or set"
                " DATA_PLATFORM_ALLOW_PLAINTEXT_TOKEN=true for a network that you trust wholly."
            )
        if self.ca_file and not is_authority_file(self.ca_file):
            found.append("DATA_PLATFORM_CA_FILE: there is no PEM file with certificates.")
        return found


class DeliverySettings(WorkerSettings, frozen=True, kw_only=True):
    """What a process reads that forwards to the data platform."""

    data_platform: DataPlatformSettings
