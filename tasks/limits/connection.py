"""The connection to the Redis that keeps the limits."""

from __future__ import annotations

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

CONNECTIONS = 32
"""A question takes 0.1 ms, so that hundreds of threads can share these; redis-py's own pool refuses the 101st."""
SOCKET_TIMEOUT = 2.0
RETRIES = 2


def connect_limits(redis_url: str) -> redis.Redis:
    """A client for many threads that says within some seconds that the Redis is away.

    It may ask again when the line breaks: an admission that is asked for twice is counted once, and settled once.
    """
    pool = redis.BlockingConnectionPool.from_url(
        redis_url.replace("redis+socket://", "unix://", 1),
        max_connections=CONNECTIONS,
        timeout=SOCKET_TIMEOUT,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        socket_keepalive=True,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), RETRIES),
    )
    return redis.Redis.from_pool(pool)
