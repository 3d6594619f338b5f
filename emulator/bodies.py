"""A request's body, from its bytes to JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NoReturn

from starlette.requests import Request

from emulator.wire import Json, Wire

MAX_BODY_BYTES = 64 * 1024 * 1024


async def receive(request: Request, wire: Wire) -> bytes:
    """All of the body. Raises ApiError where it is too large, and ClientDisconnect."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise wire.too_large(MAX_BODY_BYTES)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise wire.too_large(MAX_BODY_BYTES)
        chunks.append(chunk)
    return b"".join(chunks)


def decode(raw: bytes, wire: Wire, beside: Mapping[str, Json]) -> tuple[Json, str, str]:
    """The body, its canonical form (sorted keys, no white space), and the hash of that; raises ApiError.

    What the request says `beside` its body, in its address, becomes a part of it.
    """
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
        body = {**body, **beside} if isinstance(body, dict) else body
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return body, canonical, sha256(canonical.encode())
    except (ValueError, RecursionError) as error:
        raise wire.not_json(str(error)) from error


def sha256(data: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")
