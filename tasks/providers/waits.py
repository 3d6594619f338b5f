"""How long a provider asks to be left alone, in each of the ways in which they say it. Read on errors only.

Recorded answers have `retry-after` on status 200 too (27 of 327 of Anthropic's), where it means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0
"""A pause holds up all workers; who wants to be left alone for longer is asked again after this."""
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|us|µs|ns|m|s))+", re.ASCII)
PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)", re.ASCII)
LIMIT, REMAINING, RESET = "x-ratelimit-limit-", "x-ratelimit-remaining-", "x-ratelimit-reset-"
ANTHROPIC = "anthropic-ratelimit-"
RETRY_INFO = "google.rpc.RetryInfo"


def asked_wait(headers: Mapping[str, str], error: object) -> float | None:
    """Seconds to wait, an hour at the most; None where nothing sensible is said.

    `error` is the error object of the body: Gemini says it there.
    """
    for wait in (retry_after(headers), _retry_info(error), _reset(headers)):
        if wait is not None:
            return min(wait, LONGEST_WAIT)
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """From `retry-after-ms` or `retry-after` (seconds or an HTTP date); None if neither helps."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return _until(moment)


def go_duration(text: str) -> float | None:
    """Seconds of a duration as Go writes it (`12ms`, `1s`, `6m0s`, `1h2m3.5s`); None where it is none."""
    if not DURATION.fullmatch(text):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))


def _retry_info(error: object) -> float | None:
    """`{"@type": ".../google.rpc.RetryInfo", "retryDelay": "27s"}` among the details."""
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith(RETRY_INFO):
            return go_duration(str(detail.get("retryDelay", "")))
    return None


def _reset(headers: Mapping[str, str]) -> float | None:
    """The longest of the waits for what has run out; of limits that are not real (Azure: -1, 0) nothing is known."""
    waits = [wait for wait in (*_openai_resets(headers), *_anthropic_resets(headers)) if wait is not None]
    return max(waits, default=None)


def _openai_resets(headers: Mapping[str, str]) -> Iterator[float | None]:
    for what in ("requests", "tokens"):
        if _count(headers, LIMIT + what) > 0 and _count(headers, REMAINING + what) == 0:
            yield go_duration(headers.get(RESET + what, ""))


def _anthropic_resets(headers: Mapping[str, str]) -> Iterator[float | None]:
    for what in ("requests", "tokens", "input-tokens", "output-tokens"):
        if _count(headers, f"{ANTHROPIC}{what}-limit") > 0 and _count(headers, f"{ANTHROPIC}{what}-remaining") == 0:
            try:
                yield _until(datetime.fromisoformat(headers.get(f"{ANTHROPIC}{what}-reset", "")))
            except ValueError:
                continue


def _count(headers: Mapping[str, str], name: str) -> int:
    """The number in that header; -1 where there is none."""
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1


def _until(moment: datetime) -> float:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
