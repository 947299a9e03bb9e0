"""Contract: what a token of conduit says besides whose it is; auth makes them, the gateway verifies them."""

ISSUER = "conduit-auth"
AUDIENCE = "conduit"
ALGORITHM = "ES256"
"""`sub` is the user's id; `kid` names the key in the set that `python -m conduit auth keys` wrote."""
