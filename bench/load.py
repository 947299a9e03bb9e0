"""Loads the processes: one run of one workload, with its tokens, bodies and fresh keys."""

import random
import secrets
from collections.abc import Sequence
from pathlib import Path

from bench.open_loop import Pace
from bench.open_loop_process import run_open_loop
from bench.results import Run
from bench.shop import Shop
from bench.workloads import RANDOM, Workload, bodies
from bench.wrk import run_wrk
from devservices.ports import LOOPBACK
from kits.web.tokens.verifier import issue_token

_CUSTOMERS = 50
_TOKEN_SECONDS = 6 * 3600
_WARM_UP_SECONDS = 1.0
_OPEN_LOOP_CONNECTIONS = 256


class Load:
    """The generators and what they send; the seed decides products, quantities and arrival times."""

    def __init__(self, directory: Path, *, jwt_secret: str, issuer: str, audience: str, seed: int) -> None:
        self._directory = directory
        self._seeds = random.Random(seed)  # noqa: S311 - load, no secret
        self._tokens = [
            issue_token(
                jwt_secret, f"c-{number}", issuer=issuer, audience=audience, ttl_seconds=_TOKEN_SECONDS
            )
            for number in range(_CUSTOMERS)
        ]

    async def closed(self, shop: Shop, workload: Workload, seconds: float) -> Run:
        """Keep the workload's connections busy."""
        seed = self._seeds.getrandbits(31)
        rng = random.Random(seed)  # noqa: S311 - load, no secret
        return await run_wrk(
            shop.url,
            workload.path,
            connections=workload.connections,
            seconds=seconds,
            key_prefix=_fresh_prefix(),
            files=[
                self._file("tokens", [token.encode() for token in self._tokens]),
                self._file(f"bodies-{workload.key}", bodies(workload, rng)),
            ],
            seed=seed,
        )

    async def paced(self, shop: Shop, per_second: float, seconds: float) -> Run:
        """Orders of random products at a pace of their own, however slow the answers are."""
        seed = self._seeds.getrandbits(31)
        rng = random.Random(seed)  # noqa: S311 - load, no secret
        pace = Pace(
            host=LOOPBACK,
            port=shop.port,
            path=RANDOM.path,
            per_second=per_second,
            seconds=seconds,
            warm_up_seconds=_WARM_UP_SECONDS,
            connections=_OPEN_LOOP_CONNECTIONS,
            tokens=self._tokens,
            bodies=[body.decode() for body in bodies(RANDOM, rng)],
            key_prefix=_fresh_prefix(),
            seed=seed,
        )
        return await run_open_loop(pace)

    def _file(self, name: str, lines: Sequence[bytes]) -> Path:
        path = self._directory / name
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path


def _fresh_prefix() -> str:
    return f"{secrets.token_hex(8)}-"
