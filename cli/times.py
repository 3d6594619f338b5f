"""Times as a person types them: `2d` (so long ago), `2026-11-25`, `2026-11-25T10:30`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mirepoix.errors import InputError
from mirepoix.ledger.tables import now

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SPAN = re.compile(r"(\d{1,6})([smhdw])")


def parse_span(text: str) -> timedelta:
    """`30d`, `12h`, `90m`, `45s`, `2w`; raises InputError."""
    found = SPAN.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no span of time; write a number and s, m, h, d or w, such as 30d.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def parse_moment(text: str | None) -> datetime | None:
    """So long ago, or a date or time (ISO 8601, UTC where no zone is given); None stays None. Raises InputError."""
    if text is None:
        return None
    if SPAN.fullmatch(text.strip()):
        try:
            return now() - parse_span(text)
        except OverflowError as error:
            raise InputError(f"{text!r} is before the calendar begins.") from error
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is no time; write how long ago (2d), or a date (2026-11-25).") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
