"""The shop asks the real Member API who its sellers are."""

from urllib.parse import quote

import pytest

from app.clients.member_directory import member_directory
from app.domain.seller import SellerSource
from app.settings import MemberApiSettings
from kits.observability.metrics import Metrics
from kits.resilience.breaker_gauge import BreakerGauge
from kits.resilience.clock import BootClock
from tests.integration.api_process import a_token
from tests.integration.members.harness import MemberApi
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAFF = f"Bearer {a_token('staff', 'members:write')}"
BODY = b'{"firstName":"Gildong","lastName":"Hong"}'
ODD_IDS = ["shop-1", "a+b@c", "100%", "%2e%2e", "q?a=1#f", "[x]:;&=", "~!$'()*,"]


@pytest.mark.parametrize("member_id", ODD_IDS)
async def test_the_shop_finds_every_member_whatever_the_id(members: MemberApi, member_id: str) -> None:
    """Under the one name that the events say too; who is not there is not known, and no fault."""
    put = await members.send(quote(member_id, safe=""), BODY, authorization=STAFF)
    assert put.status in {200, 201}
    metrics = Metrics()
    settings = MemberApiSettings(url=f"http://127.0.0.1:{members.port}")
    directory = member_directory(settings, BootClock(), metrics, BreakerGauge(metrics))
    await directory.start()
    try:
        found = await eventually(lambda: directory.seller(member_id))
        assert found is not None
        assert found.name == "Hong Gildong"
        assert found.source in {SellerSource.MEMBER_API, SellerSource.CACHE}
        assert await directory.seller("nobody") is None
        assert 'member_api_tries_total{outcome="not_found"} 1.0' in metrics.render().decode()
    finally:
        await directory.stop()
