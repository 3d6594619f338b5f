"""One model call from the bytes received to the answer sent: read, answer, wait, bill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from emulator.answers import Answerer, NotRecorded
from emulator.bill import Bill, Entry, usd
from emulator.bodies import decode, receive, sha256
from emulator.bounds import UnusableSchema
from emulator.broken import break_answer, course_of_body
from emulator.draws import Attempts, generator
from emulator.faults import Fault, FaultKind, Faults
from emulator.flow import Flow
from emulator.latency import Latency, draw_latency
from emulator.limits import INPUT_ONLY, Admission, RateLimiter
from emulator.odd_replies import twist
from emulator.profiles import ModelProfile
from emulator.prompt_cache import CACHING, PromptCache
from emulator.replies import make_reply
from emulator.settings import EmulatorSettings
from emulator.sse import HEADERS as SSE_HEADERS
from emulator.streams import Pace, course_of_stream
from emulator.wire import ApiError, Ask, Json, Reply, Wire

CLIENT_GONE = "client_gone"
TAG_HEADER = "x-client-request-id"
LONG = frozenset({FaultKind.HUGE_BODY, FaultKind.ENDLESS_STREAM})
FULL_PRICE, BATCH_PRICE = Decimal(1), Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Emulator:
    """What all endpoints share."""

    settings: EmulatorSettings
    answerer: Answerer
    bill: Bill
    attempts: Attempts
    faults: Faults
    limiter: RateLimiter
    prompts: PromptCache


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a model made of a request."""

    ask: Ask
    profile: ModelProfile
    reply: Reply
    latency: Latency


@dataclass(slots=True)
class _Call:
    """One request on its way through: its row on the bill, which tells more and more, and what befalls it."""

    request: Request
    key: str | None
    entry: Entry
    admission: Admission | None = None
    fault: Fault | None = None
    answered: _Answered | None = None

    def note(self, **columns: Any) -> None:
        """Write these columns of the row."""
        self.entry = replace(self.entry, **columns)

    @property
    def kind(self) -> FaultKind | None:
        """The kind of the fault that struck."""
        return None if self.fault is None else self.fault.kind

    @property
    def late(self) -> float:
        """Seconds that the answer comes later because of a fault."""
        return self.fault.seconds or 0 if self.fault is not None and self.kind is FaultKind.SLOW else 0.0


class Endpoint:
    """Answers the model calls of one wire format; `beside` is what an address says of them, as members of the body.

    With `of_a_batch` they cost half, no limit counts them, and nobody waits for a model to think.
    """

    def __init__(
        self, wire: Wire, emulator: Emulator, beside: Mapping[str, Json] | None = None, *, of_a_batch: bool = False
    ) -> None:
        self._wire = wire
        self._emulator = emulator
        self._beside = beside or {}
        self._is_limited = emulator.limiter.limit(wire.api) is not None and not of_a_batch
        self._price = BATCH_PRICE if of_a_batch else FULL_PRICE
        self._time_scale = 0.0 if of_a_batch else emulator.settings.time_scale

    async def respond(self, request: Request) -> Response:
        """Answer a call; whatever comes of it, its row is on the bill before the last of the answer leaves.

        A client that goes away while the model works is billed all the same: it cannot know whether it will
        be, and this is the worse case.
        """
        started = time.monotonic()
        key = self._wire.key(request.headers)
        call = _Call(request, key, self._open_entry(request, key))
        error: ApiError | None = None
        try:
            await self._answer(call)
        except ApiError as refusal:
            error = refusal
            call.note(outcome=refusal.outcome if call.fault is None else call.fault.outcome)
        except ClientDisconnect:
            call.note(outcome=CLIENT_GONE)
        answered = call.answered
        if error is None and answered is not None and _flows(call, answered):
            return self._flow(call, answered, started)
        await self._close(call)
        headers = self._headers(call, time.monotonic() - started)
        if error is not None:
            body = self._wire.write_error(error, call.entry.request_id)
            return JSONResponse(body, status_code=error.status, headers=headers | error.headers)
        answer = None if answered is None else self._wire.write(answered.ask, answered.reply)
        if call.fault is not None:
            return break_answer(call.fault, answer, self._wire, headers)
        return JSONResponse(answer, headers=headers)

    def _flow(self, call: _Call, answered: _Answered, started: float) -> Response:
        """The answer bit by bit: a stream, or one too long to be held as a whole."""

        async def close(gone: bool, parts: int) -> None:
            if call.kind is FaultKind.ENDLESS_STREAM:
                sent = replace(answered.reply, output_tokens=parts)
                call.note(**self._charge(answered.profile, sent, answered.latency))
            if gone:
                call.note(outcome=CLIENT_GONE)
            await self._close(call)

        scale = self._time_scale
        headers = self._headers(call, time.monotonic() - started + answered.latency.first * scale)
        if not answered.ask.streams and call.fault is not None:
            answer = self._wire.write(answered.ask, answered.reply)
            return Flow(course_of_body(call.fault, answer), close, headers=headers, media_type="application/json")
        pace = Pace(answered.latency, scale, call.late)
        course = course_of_stream(self._wire, answered.ask, answered.reply, pace, call.fault)
        return Flow(course, close, headers=headers | SSE_HEADERS, media_type=course.media_type)

    async def _close(self, call: _Call) -> None:
        """Let others in, and put the row on the bill."""
        if call.admission is not None:
            call.admission.release()
        await self._emulator.bill.record(call.entry)

    def _headers(self, call: _Call, seconds: float) -> dict[str, str]:
        headers = self._wire.headers(call.entry.request_id, seconds)
        if call.admission is not None:
            headers |= self._wire.rate_headers(call.admission.levels())
        if call.fault is not None and call.kind is FaultKind.RETRY_AFTER_ON_200:
            headers |= self._wire.wait_headers(call.fault.retry_after or 0)
        return headers

    async def _answer(self, call: _Call) -> None:
        """Let the model work, unless a fault spares it. Raises ApiError and ClientDisconnect."""
        body, canonical, prompt_hash = decode(await receive(call.request, self._wire), self._wire, self._beside)
        call.note(prompt_hash=prompt_hash, attempt=self._emulator.attempts.count(call.key or "", prompt_hash))
        ask, profile = self._read(body, call)
        call.note(model=profile.name)
        if self._is_limited:
            self._admit(call, ask)
        if self._emulator.faults and self._is_struck(call, ask, canonical):
            return await self._suffer(call)
        call.answered = answered = self._reply(ask, profile, call)
        reply, latency = answered.reply, answered.latency
        call.note(**self._charge(profile, reply, latency))
        if call.admission is not None:
            call.admission.settle(reply.input_tokens + reply.paid_tokens)
        if ask.streams and call.kind is not FaultKind.BILLED_THEN_DROP:
            return None
        if not await _client_waits(call.request, latency.total * self._time_scale + call.late):
            call.note(outcome=CLIENT_GONE)
        return None

    def _is_struck(self, call: _Call, ask: Ask, canonical: str) -> bool:
        """Whether a fault strikes that spares the model; one that does not is noted for later."""
        call.fault = self._emulator.faults.strike(call.entry, canonical, streams=ask.streams)
        if call.fault is None:
            return False
        call.note(outcome=call.fault.outcome)
        return call.fault.kind.spares_the_model

    def _open_entry(self, request: Request, key: str | None) -> Entry:
        return Entry(
            time=datetime.now(UTC).isoformat(),
            api=self._wire.api,
            request_id=self._wire.request_id(),
            tag=request.headers.get(TAG_HEADER),
            key_hash=sha256(key.encode())[:16] if key else "",
        )

    def _read(self, body: Json, call: _Call) -> tuple[Ask, ModelProfile]:
        check_key(self._wire, call.key, self._emulator.settings)
        ask = self._wire.read(body, call.request.headers)
        profile = self._emulator.settings.models.get(ask.model)
        if profile is None or profile.api != self._wire.api:
            raise self._wire.unknown_model(ask.model)
        return ask, profile

    def _admit(self, call: _Call, ask: Ask) -> None:
        """Let the request in with its prompt and all that it may answer; raises ApiError beyond a limit."""
        tokens = ask.prompt_tokens + (0 if self._wire.api in INPUT_ONLY else ask.max_tokens or 0)
        call.admission = self._emulator.limiter.admit(self._wire.api, call.key or "", ask.model, tokens)
        if call.admission.excess is not None:
            raise self._wire.over_limit(call.admission.excess, ask.model)

    async def _suffer(self, call: _Call) -> None:
        """Let a fault strike that no model comes to know of; raises ApiError where the provider has words for it."""
        fault = call.fault
        assert fault is not None
        if fault.kind is FaultKind.QUOTA:
            raise self._wire.out_of_money()
        if fault.status is not None:
            error = self._wire.failure(fault.status, call.entry.model)
            if fault.retry_after is not None:
                self._wire.postpone(error, fault.retry_after, as_date=fault.retry_after_form == "date")
            raise error
        await _client_waits(call.request, fault.seconds or 0)

    def _reply(self, ask: Ask, profile: ModelProfile, call: _Call) -> _Answered:
        settings, entry = self._emulator.settings, call.entry
        attempt = 0 if profile.steady else entry.attempt
        draws = generator(settings.seed, "request", entry.api, profile.name, entry.prompt_hash, attempt)
        try:
            reply = make_reply(ask, profile, self._emulator.answerer, draws)
        except UnusableSchema as error:
            name = ask.json_wish.name if ask.json_wish else ""
            raise self._wire.bad_schema(name, str(error)) from error
        except NotRecorded as error:
            raise self._wire.unknown_model(profile.name) from error
        if self._wire.api in CACHING:
            reply = replace(reply, cached_tokens=self._emulator.prompts.recall(call.key or "", ask))
        latency = draw_latency(profile, reply.output_tokens, draws, settings.scenario.latency)
        said = reply if call.fault is None else twist(call.fault, ask, reply)
        return _Answered(ask, profile, said, latency.after(reply.thought_tokens))

    def _charge(self, profile: ModelProfile, reply: Reply, latency: Latency) -> dict[str, Any]:
        """The columns of the bill that tell what the reply cost."""
        cost = profile.cost(reply.input_tokens, reply.paid_tokens, reply.cached_tokens)
        return {
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.paid_tokens,
            "cost_usd": usd(cost * self._price),
            "billed": True,
            "latency": latency.total,
        }


def check_key(wire: Wire, key: str | None, settings: EmulatorSettings) -> None:
    """Raise ApiError unless `key` is the one required; where none is, any will do."""
    if key is None:
        raise wire.no_key()
    if settings.require_key is not None and key != settings.require_key:
        raise wire.wrong_key(key)


def _flows(call: _Call, answered: _Answered) -> bool:
    return call.kind in LONG or (answered.ask.streams and call.kind is not FaultKind.BILLED_THEN_DROP)


async def _client_waits(request: Request, seconds: float) -> bool:
    """Let `seconds` pass; False as soon as the client hangs up."""
    if seconds <= 0:
        return True
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                continue
    except TimeoutError:
        return True
    return False
