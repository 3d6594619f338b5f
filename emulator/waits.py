"""How providers tell a client how long to wait."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

RETRY_AFTER = "retry-after"


def whole_seconds(seconds: float) -> str:
    """As `retry-after` says it: whole seconds, rounded up, so that nobody comes too early."""
    return str(math.ceil(seconds))


def http_date(seconds: float) -> str:
    """The moment in `seconds`, rounded up to the next whole second, as an HTTP date (RFC 9110, 5.6.7)."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return format_datetime((moment + timedelta(microseconds=999_999)).replace(microsecond=0), usegmt=True)


def rfc3339(seconds: float) -> str:
    """The moment in `seconds`, as Anthropic's headers say it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def go_duration(seconds: float) -> str:
    """As OpenAI's headers say it: `12ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
