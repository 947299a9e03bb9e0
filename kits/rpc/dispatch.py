"""Request-reply, dispatch: what becomes of one record: a reply, a refusal, an event handled, or nothing."""

import asyncio
import time
from collections.abc import Mapping
from logging import DEBUG
from typing import Any

from kits.kafka.errors import KafkaError, RecordRefusedError, RecordTooLargeError
from kits.kafka.records import IncomingRecord
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.observability.traces import continue_trace, current_traceparent
from kits.rpc.answers import ReplyPlaces, ReplyWriter
from kits.rpc.call import Call
from kits.rpc.deadlines import WallClock, current_deadline, expiry_of
from kits.rpc.errors import RpcError
from kits.rpc.event_retries import EventRetries, place_of
from kits.rpc.handlers import RpcHandler, is_cut_off
from kits.rpc.ledger import AlreadyAnsweredError, RequestLedger
from kits.rpc.metrics import ServerMetrics
from kits.rpc.values import UnreadableValueError
from kits.rpc.wire import ReplyAddress, UnreadableRequestError, read_request, traceparent_of

log = get_logger(__name__)
_LINE_SECONDS = 10.0


class RequestDispatcher:
    """in_flight.Dispatcher. A request that has expired is dropped, every other one answered."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, RpcHandler],
        writer: ReplyWriter,
        places: ReplyPlaces,
        events: EventRetries,
        ledger: RequestLedger[Any] | None,
        metrics: ServerMetrics,
        clock: WallClock,
    ) -> None:
        self._handlers = handlers
        self._writer = writer
        self._places = places
        self._events = events
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._lines = Repeats(every_seconds=_LINE_SECONDS)

    async def handle(self, record: IncomingRecord) -> None:
        """See Dispatcher: done means that the reply is acknowledged, or nobody waits for it any more."""
        began = time.perf_counter()
        try:
            outcome = await self._outcome(self._handlers[record.topic], record)
        except Exception:
            # Its partition must not stand because of it.
            log.exception("rpc_record_failed", **place_of(record), action="report a bug")
            outcome = "failed"
        self._metrics.handled_seconds.labels(record.topic, outcome).observe(time.perf_counter() - began)
        if log.is_enabled_for(DEBUG):
            log.debug("rpc_record_handled", **place_of(record), outcome=outcome)

    async def _outcome(self, handler: RpcHandler, record: IncomingRecord) -> str:
        try:
            current_traceparent.set(continue_trace(traceparent_of(record)))
            request = None if handler.is_event else read_request(record)
            if request is None or request.address is None:
                return await self._take_event(handler, record)
            expires_at = expiry_of(request.deadline_ms, record.timestamp_ms, self._clock.now())
            # With its bytes: an id that somebody uses again never gets the reply of another request.
            call = self._call(record, (request.address.correlation_id, record.value), expires_at)
            if call.remaining_seconds <= 0:
                if count := self._lines.due(f"expired {record.topic}"):
                    action = "see why requests wait so long; if they do not, compare the machines' clocks"
                    log.warning("rpc_request_expired", **place_of(record), count=count, action=action)
                return "expired"
            current_deadline.set(expires_at)
            await self._places.check(request.address)
            return await self._answer(handler, record, request.address, call)
        except UnreadableRequestError as error:
            if count := self._lines.due(f"{record.topic} {error}"):
                log.warning(
                    "rpc_request_left_out", **place_of(record), reason=str(error), count=count,
                    action="look who sends it: nobody can be answered",
                )  # fmt: skip
            return "unreadable"
        except KafkaError as error:
            if count := self._lines.due(f"not sent {record.topic} {error.code}"):
                log.warning(
                    "rpc_reply_not_sent", **place_of(record), error=str(error), count=count,
                    action="none if Kafka comes back; the caller has a deadline of its own",
                )  # fmt: skip
            return "failed"

    def _call(self, record: IncomingRecord, identity: tuple[str, bytes | None], expires_at: float) -> Call:
        return Call(
            topic=record.topic,
            key=record.key,
            identity=identity,
            expires_at=expires_at,
            clock=self._clock,
            ledger=self._ledger,
            is_stream=self._handlers[record.topic].is_stream,
        )

    async def _answer(
        self, handler: RpcHandler, record: IncomingRecord, address: ReplyAddress, call: Call
    ) -> str:
        limit = asyncio.timeout(call.remaining_seconds)
        try:
            async with limit:
                await self._reply(handler, record, address, call)
        except AlreadyAnsweredError as answered:
            # No transaction stays open while Kafka is waited for.
            await call.abandon()
            await self._writer.reply(address, answered.reply, call.remaining_seconds)
            return "repeated"
        except (Exception, asyncio.CancelledError) as error:
            if is_cut_off(error):
                raise
            await call.abandon()
            if limit.expired():
                if count := self._lines.due(f"cut off {record.topic}"):
                    action = "look why its handler takes so long"
                    log.warning("rpc_request_cut_off", **place_of(record), count=count, action=action)
                return "expired"
            outcome, refusal = self._refusal(error, record)
            await self._writer.refuse(address, refusal, call.remaining_seconds)
            return outcome
        finally:
            await call.abandon()
        return "ok"

    async def _reply(
        self, handler: RpcHandler, record: IncomingRecord, address: ReplyAddress, call: Call
    ) -> None:
        request = handler.request.read(record.value)
        if handler.is_stream:
            stream = handler.replies(request, call)
            await self._writer.replies(address, handler.reply, stream, call.remaining_seconds)
            return
        reply = handler.reply.write(await handler.answer(request, call))
        await call.settle(reply)
        await self._writer.reply(address, reply, call.remaining_seconds)

    async def _take_event(self, handler: RpcHandler, record: IncomingRecord) -> str:
        # Nobody waits for it: what it asks of others has their own deadlines.
        current_deadline.set(None)
        place = f"{record.partition}:{record.offset}"
        call = self._call(record, (place, None), expiry_of(None, record.timestamp_ms, self._clock.now()))
        return await self._events.handle(handler, record, call)

    def _refusal(self, error: BaseException, record: IncomingRecord) -> tuple[str, RpcError]:
        """How it ended, and what the caller is told; nothing of a fault's own words."""
        if isinstance(error, RpcError):
            return "refused", error
        if isinstance(error, UnreadableValueError):
            return "unreadable", RpcError(422, "unreadable_request", error.reason, error.path)
        if isinstance(error, RecordTooLargeError | RecordRefusedError):
            action = "answer with less: a page, or a stream of replies"
            log.error("rpc_reply_too_large", **place_of(record), error=str(error), action=action)
            return "failed", RpcError(500, "reply_too_large", "The reply is too large for its topic.")
        if isinstance(error, KafkaError):
            raise error
        if count := self._lines.due(f"failed {record.topic} {type(error).__name__}"):
            action = "a fault of the handler: see its trace"
            log.error("rpc_handler_failed", **place_of(record), count=count, exc_info=error, action=action)
        return "failed", RpcError(500, "internal_error", "The service failed; its log says more.")
