"""Wake a step when the time is up for which it waits."""

from __future__ import annotations

import structlog
from kombu.exceptions import OperationalError

from db.waking import Wake, wake_step
from mirepoix.errors import LedgerError, NotFound
from tasks.follow import publish_steps
from tasks.house import House

log = structlog.get_logger("mirepoix")


def wake(house: House, due: Wake) -> None:
    """Make the step ready and send it, unless it has moved on. What fails here is made up for by the reconciler."""
    try:
        with house.database.write() as connection:
            ready = wake_step(connection, due)
        publish_steps(house, [] if ready is None else [ready])
    except NotFound:
        return
    except (LedgerError, OperationalError, OSError) as error:
        log.warning("a step could not be woken; the reconciler will do it", job=due.job_id, reason=str(error))
