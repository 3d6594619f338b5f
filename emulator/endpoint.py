"""One model call from the bytes received to the answer sent: read, answer, wait, bill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from emulator.answers import Answerer
from emulator.bill import Bill, Entry, usd
from emulator.bounds import UnusableSchema
from emulator.broken import break_answer
from emulator.draws import Attempts, generator
from emulator.faults import Fault, FaultKind, Faults
from emulator.latency import draw_latency
from emulator.limits import Admission, RateLimiter
from emulator.profiles import ModelProfile
from emulator.replies import make_reply
from emulator.settings import EmulatorSettings
from emulator.tokens import count_prompt_tokens
from emulator.wire import ApiError, Ask, Json, Reply, Wire

MAX_BODY_BYTES = 64 * 1024 * 1024
CLIENT_GONE = "client_gone"
TAG_HEADER = "x-client-request-id"


@dataclass(frozen=True, slots=True)
class Emulator:
    """What all endpoints share."""

    settings: EmulatorSettings
    answerer: Answerer
    bill: Bill
    attempts: Attempts
    faults: Faults
    limiter: RateLimiter


@dataclass(slots=True)
class _Call:
    """One request on its way through: its row on the bill, which tells more and more, and what befalls it."""

    request: Request
    key: str | None
    entry: Entry
    admission: Admission | None = None
    fault: Fault | None = None

    def note(self, **columns: Any) -> None:
        """Write these columns of the row."""
        self.entry = replace(self.entry, **columns)


class Endpoint:
    """Answers the model calls of one wire format."""

    def __init__(self, wire: Wire, emulator: Emulator) -> None:
        self._wire = wire
        self._emulator = emulator
        self._is_limited = emulator.limiter.limit(wire.api) is not None

    async def respond(self, request: Request) -> Response:
        """Answer a call; whatever comes of it, its row is on the bill before the answer leaves.

        A client that goes away while the model works is billed all the same: it cannot know whether it will
        be, and this is the worse case.
        """
        started = time.monotonic()
        key = self._wire.key(request.headers)
        call = _Call(request, key, self._open_entry(request, key))
        answer: Json = None
        error: ApiError | None = None
        try:
            answer = await self._answer(call)
        except ApiError as refusal:
            error = refusal
            call.note(outcome=refusal.outcome if call.fault is None else call.fault.outcome)
        except ClientDisconnect:
            call.note(outcome=CLIENT_GONE)
        finally:
            if call.admission is not None:
                call.admission.release()
        await self._emulator.bill.record(call.entry)
        headers = self._wire.headers(call.entry.request_id, time.monotonic() - started)
        if call.admission is not None:
            headers |= self._wire.rate_headers(call.admission.levels())
        if error is not None:
            body = self._wire.write_error(error, call.entry.request_id)
            return JSONResponse(body, status_code=error.status, headers=headers | error.headers)
        if call.fault is not None:
            return break_answer(call.fault.kind, answer, self._wire, headers)
        return JSONResponse(answer, headers=headers)

    async def _answer(self, call: _Call) -> Json:
        """The body of a 200; None where no model sees the request. Raises ApiError and ClientDisconnect."""
        body, canonical = self._decode(await self._receive(call.request), call)
        ask, profile = self._read(body, call)
        call.note(model=profile.name)
        if self._is_limited:
            self._admit(call, ask)
        if self._emulator.faults and (fault := self._emulator.faults.strike(call.entry, canonical)):
            call.fault = fault
            call.note(outcome=fault.outcome)
            if fault.kind.spares_the_model:
                return await self._suffer(fault, call)
        reply, latency = self._reply(ask, profile, call.entry)
        call.note(**_charge(profile, reply, latency))
        if call.admission is not None:
            call.admission.settle(reply.input_tokens + reply.output_tokens)
        answer = self._wire.write(ask, reply)
        late = call.fault.seconds or 0 if call.fault is not None else 0
        if not await _client_waits(call.request, latency * self._emulator.settings.time_scale + late):
            call.note(outcome=CLIENT_GONE)
        return answer

    def _open_entry(self, request: Request, key: str | None) -> Entry:
        return Entry(
            time=datetime.now(UTC).isoformat(),
            api=self._wire.api,
            request_id=self._wire.request_id(),
            tag=request.headers.get(TAG_HEADER),
            key_hash=_sha256(key.encode())[:16] if key else "",
        )

    async def _receive(self, request: Request) -> bytes:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            raise self._wire.too_large(MAX_BODY_BYTES)
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise self._wire.too_large(MAX_BODY_BYTES)
            chunks.append(chunk)
        return b"".join(chunks)

    def _decode(self, raw: bytes, call: _Call) -> tuple[Json, str]:
        """The body and its canonical form (sorted keys, no white space), whose hash is noted."""
        try:
            body = json.loads(raw, parse_constant=_refuse_constant)
            canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            prompt_hash = _sha256(canonical.encode())
        except (ValueError, RecursionError) as error:
            raise self._wire.not_json(str(error)) from error
        call.note(prompt_hash=prompt_hash, attempt=self._emulator.attempts.count(call.key or "", prompt_hash))
        return body, canonical

    def _read(self, body: Json, call: _Call) -> tuple[Ask, ModelProfile]:
        check_key(self._wire, call.key, self._emulator.settings)
        ask = self._wire.read(body, call.request.headers)
        profile = self._emulator.settings.models.get(ask.model)
        if profile is None or profile.api != self._wire.api:
            raise self._wire.unknown_model(ask.model)
        return ask, profile

    def _admit(self, call: _Call, ask: Ask) -> None:
        """Let the request in with its prompt and all that it may answer; raises ApiError beyond a limit."""
        tokens = count_prompt_tokens(message.text for message in ask.messages) + (ask.max_tokens or 0)
        call.admission = self._emulator.limiter.admit(self._wire.api, call.key or "", ask.model, tokens)
        if call.admission.excess is not None:
            raise self._wire.over_limit(call.admission.excess, ask.model)

    async def _suffer(self, fault: Fault, call: _Call) -> None:
        """Let a fault strike that no model comes to know of; raises ApiError where the provider has words for it."""
        if fault.kind is FaultKind.QUOTA:
            raise self._wire.out_of_money()
        if fault.status is not None:
            error = self._wire.failure(fault.status, call.entry.model)
            if fault.retry_after is not None:
                as_date = fault.retry_after_form == "date"
                error.headers |= self._wire.wait_headers(fault.retry_after, as_date=as_date)
            raise error
        await _client_waits(call.request, fault.seconds or 0)

    def _reply(self, ask: Ask, profile: ModelProfile, entry: Entry) -> tuple[Reply, float]:
        settings = self._emulator.settings
        attempt = 0 if profile.steady else entry.attempt
        draws = generator(settings.seed, "request", entry.api, profile.name, entry.prompt_hash, attempt)
        try:
            reply = make_reply(ask, profile, self._emulator.answerer, draws)
        except UnusableSchema as error:
            name = ask.json_wish.name if ask.json_wish else ""
            raise self._wire.bad_schema(name, str(error)) from error
        return reply, draw_latency(profile, reply.output_tokens, draws, settings.scenario.latency)


def check_key(wire: Wire, key: str | None, settings: EmulatorSettings) -> None:
    """Raise ApiError unless `key` is the one required; where none is, any will do."""
    if key is None:
        raise wire.no_key()
    if settings.require_key is not None and key != settings.require_key:
        raise wire.wrong_key(key)


def _charge(profile: ModelProfile, reply: Reply, latency: float) -> dict[str, Any]:
    """The columns of the bill that tell what the reply cost."""
    return {
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "cost_usd": usd(profile.cost(reply.input_tokens, reply.output_tokens)),
        "billed": True,
        "latency": latency,
    }


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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
