"""The Member API before it is ready: an empty database, and a migration beside it."""

from typing import Any

from tests.commands import run_command
from tests.integration.api.raw import exchange, message
from tests.integration.members.harness import MemberApi, container_of, member_api


async def readiness(members: MemberApi) -> tuple[int, Any]:
    """What /readyz says."""
    reply = await exchange(members.ops_port, message("GET", "/readyz"))
    return reply.status, reply.json


async def test_a_service_is_ready_when_its_tables_are_there(empty_database_url: str) -> None:
    """It says which command makes them, refuses work until then, and needs no restart."""
    container = container_of(empty_database_url)
    async with member_api(container, migrated=False) as members:
        status, report = await readiness(members)
        assert (status, "python -m services.members migrate" in str(report)) == (503, True)
        refused = await members.put("m-1", "Grace", "Hopper")
        assert (refused.status, refused.problem()["code"]) == (503, "storage_unavailable")
        assert "python -m services.members migrate" in refused.json["detail"]
        done = await run_command("services.members", "migrate", DATABASE_URL=empty_database_url)
        assert (done.code, done.out.strip()) == (0, container.history().head())
        assert (await members.put("m-1", "Grace", "Hopper")).status == 201
        tables = await members.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'members' ORDER BY 1")
        assert [name for (name,) in tables] == [
            "member",
            "member_event",
            "member_known_schema",
            "order_pipeline_members_version",
        ]
