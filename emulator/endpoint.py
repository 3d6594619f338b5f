"""One model call from the bytes received to the answer sent: read, answer, wait, bill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from emulator.answers import Answerer
from emulator.bill import Bill, Entry, usd
from emulator.bounds import UnusableSchema
from emulator.draws import Attempts, generator
from emulator.latency import draw_latency
from emulator.profiles import ModelProfile
from emulator.replies import make_reply
from emulator.settings import EmulatorSettings
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


class Endpoint:
    """Answers the model calls of one wire format."""

    def __init__(self, wire: Wire, emulator: Emulator) -> None:
        self._wire = wire
        self._emulator = emulator

    async def respond(self, request: Request) -> Response:
        """Answer a call; whatever comes of it, its row is on the bill before the answer leaves.

        A client that goes away while the model works is billed all the same: it cannot know whether it will
        be, and this is the worse case.
        """
        started = time.monotonic()
        key = self._wire.key(request.headers)
        entry = self._open_entry(request, key)
        status, answer = 200, None
        try:
            raw = await self._receive(request)
            body, entry = self._decode(raw, key, entry)
            ask, profile = self._read(body, request, key)
            entry = replace(entry, model=profile.name)
            reply, latency = self._reply(ask, profile, entry)
            entry = _charge(entry, profile, reply, latency)
            answer = self._wire.write(ask, reply)
            if not await _client_waits(request, latency * self._emulator.settings.time_scale):
                entry = replace(entry, outcome=CLIENT_GONE)
        except ApiError as error:
            entry = replace(entry, outcome=error.outcome)
            status, answer = error.status, self._wire.write_error(error, entry.request_id)
        except ClientDisconnect:
            entry = replace(entry, outcome=CLIENT_GONE)
        await self._emulator.bill.record(entry)
        headers = self._wire.headers(entry.request_id, time.monotonic() - started)
        return JSONResponse(answer, status_code=status, headers=headers)

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

    def _decode(self, raw: bytes, key: str | None, entry: Entry) -> tuple[Json, Entry]:
        """The body, and the entry with the hash of its canonical form (sorted keys, no white space)."""
        try:
            body = json.loads(raw, parse_constant=_refuse_constant)
            canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
            prompt_hash = _sha256(canonical.encode())
        except (ValueError, RecursionError) as error:
            raise self._wire.not_json(str(error)) from error
        attempt = self._emulator.attempts.count(key or "", prompt_hash)
        return body, replace(entry, prompt_hash=prompt_hash, attempt=attempt)

    def _read(self, body: Json, request: Request, key: str | None) -> tuple[Ask, ModelProfile]:
        check_key(self._wire, key, self._emulator.settings)
        ask = self._wire.read(body, request.headers)
        profile = self._emulator.settings.models.get(ask.model)
        if profile is None or profile.api != self._wire.api:
            raise self._wire.unknown_model(ask.model)
        return ask, profile

    def _reply(self, ask: Ask, profile: ModelProfile, entry: Entry) -> tuple[Reply, float]:
        seed = self._emulator.settings.seed
        draws = generator(seed, "request", entry.api, profile.name, entry.prompt_hash, entry.attempt)
        try:
            reply = make_reply(ask, profile, self._emulator.answerer, draws)
        except UnusableSchema as error:
            name = ask.json_wish.name if ask.json_wish else ""
            raise self._wire.bad_schema(name, str(error)) from error
        return reply, draw_latency(profile, reply.output_tokens, draws)


def check_key(wire: Wire, key: str | None, settings: EmulatorSettings) -> None:
    """Raise ApiError unless `key` is the one required; where none is, any will do."""
    if key is None:
        raise wire.no_key()
    if settings.require_key is not None and key != settings.require_key:
        raise wire.wrong_key(key)


def _charge(entry: Entry, profile: ModelProfile, reply: Reply, latency: float) -> Entry:
    return replace(
        entry,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cost_usd=usd(profile.cost(reply.input_tokens, reply.output_tokens)),
        billed=True,
        latency=latency,
    )


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
