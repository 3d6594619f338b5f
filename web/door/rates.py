"""How many requests a key may make in a minute, counted in the Redis for all web processes together.

A courtesy to the house, not its lock: while the Redis does not answer, nobody is turned away for a rate.
"""

from __future__ import annotations

import time
from functools import lru_cache

import redis

from mirepoix.wake import connect

MINUTE = 60


def wait_of_key(redis_url: str, key_id: str, rpm: int) -> int | None:
    """Count a request of this key; seconds until the next minute when it is one too many, else None."""
    moment = int(time.time())
    name = f"mirepoix.key.{key_id}.{moment // MINUTE}"
    try:
        with _client(redis_url).pipeline() as together:
            together.incr(name)
            together.expire(name, 2 * MINUTE)
            count: int = together.execute()[0]
    except (redis.RedisError, OSError):
        return None
    return MINUTE - moment % MINUTE if count > rpm else None


@lru_cache(maxsize=8)
def _client(redis_url: str) -> redis.Redis:
    return connect(redis_url)
