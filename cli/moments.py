"""Points in time as people write them: `30d`, `2026-11-25`, `2026-11-25T14:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from mirepoix.errors import InputError

AGO = re.compile(r"(\d{1,6})([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, moment: datetime) -> datetime:
    """`text` as a time: so long before `moment` (`90m`, `12h`, `30d`, `2w`), or as in ISO 8601, UTC if it says nothing.

    Raises InputError.
    """
    ago = AGO.fullmatch(text)
    try:
        if ago is not None:
            return moment - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{text!r} is no time; write 30d, 12h, or a date such as 2026-11-25.") from error
