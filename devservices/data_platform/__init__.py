"""The reference data platform: takes order events over HTTP, remembers them, misbehaves on request."""
