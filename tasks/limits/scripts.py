"""The Lua scripts beside this file, each run as one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from mirepoix.errors import LimitsUnavailable

REDIS_CLOCK = """
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""
"""The only clock that counts, in ms: those of the workers may differ."""

CONSTANTS = """
local GATE_KEPT = 86400000
local LONGEST_PROBE = 60000
"""
"""For how long (ms) a pause or a row of failures is remembered, and a probe that says nothing is waited for."""


class Script:
    """One script, by its name; sent as a whole only to a server that does not have it (yet, or any more)."""

    def __init__(self, client: redis.Redis, name: str, clock: str = REDIS_CLOCK) -> None:
        self._client = client
        self._text = clock + CONSTANTS + (Path(__file__).parent / f"{name}.lua").read_text(encoding="utf-8")
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """What the script returns. Raises LimitsUnavailable."""
        try:
            return self._run(keys, arguments)
        except (redis.RedisError, OSError) as error:
            raise LimitsUnavailable(f"the Redis that keeps the shared limits does not answer: {error}") from error

    def _run(self, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        try:
            return self._client.evalsha(self._sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return self._client.eval(self._text, len(keys), *keys, *arguments)
