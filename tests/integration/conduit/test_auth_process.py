"""Auth as an operator has it: a process on real servers, and a command beside it."""

from pathlib import Path

import msgspec

from conduit.auth.container import CommandContainer
from conduit.auth.keys import write_keys
from conduit.auth.settings import AuthDatabaseSettings
from conduit.contracts.sealing import fresh_reply_key, open_token, seal_password
from conduit.contracts.tokens import AUDIENCE, ISSUER
from conduit.contracts.users import USER_CHANGED, USER_CREATION, SignedIn, UserChanged, UserCreation
from kits.observability.traces import current_traceparent
from kits.rpc.asking import ask_once
from kits.web.tokens.verifier import TokenVerifier
from tests.commands import run_command
from tests.conduit_processes import ConduitProcesses
from tests.conduit_services import database_of
from tests.conduit_users import PASSWORD, sealing_key
from tests.integration.members.harness import told
from tests.rpc_services import brokers_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


async def test_a_process_registers_tells_the_event_and_a_command_tells_it_once_more(
    empty_database_url: str, kafka_servers: str, tmp_path: Path
) -> None:
    """Over a real Kafka; its log has the request's trace, and neither the password nor the token."""
    keys, reply_key = tmp_path / "keys", fresh_reply_key()
    write_keys(keys)
    commands = CommandContainer(settings=AuthDatabaseSettings(database=database_of(empty_database_url)))
    await commands.history().migrate(commands.engine())
    await commands.engine().dispose()
    conduit = ConduitProcesses(tmp_path, empty_database_url, kafka_servers)
    try:
        await conduit.start("auth")
        password = seal_password(PASSWORD, reply_key, sealing_key(keys))
        command = UserCreation(username="ann", email="ann@example.com", password=password)
        current_traceparent.set(f"00-{TRACE_ID}-b7ad6b7169203331-01")
        asker = brokers_of(kafka_servers, "conduit-test")
        reply = await ask_once(asker, USER_CREATION.topic, msgspec.json.encode(command), timeout=30)
        answer = msgspec.json.decode(reply or b"", type=SignedIn)
        token = open_token(answer.token, reply_key)
        verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(keys / "gateway.json"))
        assert verifier.verify(token).subject == answer.user.id
        known = UserChanged(id=answer.user.id, username="ann", bio=None, image=None, version=1)
        await told(kafka_servers, USER_CHANGED.topic, known.id, 1)
        words = ("conduit", "auth", "outbox", "republish", "--all")
        ended = await run_command(*words, given=b"", **conduit.environment)
        assert (ended.code, "once more: 1." in ended.out) == (0, True), ended.err
        events = await told(kafka_servers, USER_CHANGED.topic, known.id, 2)
        assert [msgspec.json.decode(each.value, type=UserChanged) for each in events] == [known, known]
        await conduit.end("auth")
        assert "service_stopped" in conduit.log("auth")
    finally:
        conduit.stop()
    of_trace = [line for line in conduit.log("auth").splitlines() if f'"trace_id": "{TRACE_ID}"' in line]
    assert [name for name in ("rpc_record_handled", "event_published") if name not in "".join(of_trace)] == []
    assert PASSWORD not in conduit.log("auth")
    assert token not in conduit.log("auth")
