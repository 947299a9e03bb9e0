"""Schemas kit: what its readers and writers ask of others."""

from typing import Protocol


class Registry(Protocol):
    """What is asked of kits.schemas.registry.SchemaRegistry."""

    @property
    def has_address(self) -> bool: ...
    async def definition(self, schema_id: int) -> str:
        """The schema. Raises: RegistryUnavailableError, UnknownSchemaError."""
        ...
