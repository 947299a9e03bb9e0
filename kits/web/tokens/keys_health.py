"""Readiness of identity: whether any key verifies tokens, and whether its source still answers."""

from kits.observability.health import CheckResult, Status
from kits.web.tokens.verifier import TokenVerifier


class TokenKeysHealth:
    """Unready without any key, since every order would be refused; degraded while a source of keys fails."""

    name = "token_keys"

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def check(self) -> CheckResult:
        """What the sources say now."""
        complaints = " ".join(self._verifier.complaints())
        if not self._verifier.has_keys:
            return CheckResult(Status.UNREADY, f"No key verifies tokens. {complaints}".strip())
        return CheckResult(Status.DEGRADED if complaints else Status.OK, complaints)
