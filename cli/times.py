"""Times as a person types them: `2d` (so long ago), `2026-11-25`, `2026-11-25T10:30`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mirepoix.errors import InputError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SPAN = re.compile(r"(\d{1,6})([smhdw])")


def parse_moment(text: str, now: datetime) -> datetime:
    """So long before `now`, or a date or time (ISO 8601, UTC where no zone is given). Raises InputError."""
    try:
        if (ago := SPAN.fullmatch(text.strip())) is not None:
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text!r} is no time; write 30d, 12h, or a date such as 2026-11-25.") from error


def parse_moments(since: str | None, until: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Both ends of a time, each None where nothing is said. Raises InputError."""
    return (
        None if since is None else parse_moment(since, now),
        None if until is None else parse_moment(until, now),
    )
