"""Send what stands in the outbox: the ends of jobs to who asked for it, and alerts.

Runs in every orchestrate worker.
"""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType
from typing import Any

import structlog

from db.deliveries import Due, has_due, record_delivered, record_undelivered, take_due
from mirepoix.errors import NotFound
from mirepoix.ledger.outbox import JOB_ENDED
from mirepoix.ledger.read import read_jobs
from mirepoix.webhooks import Webhooks
from tasks.house import House
from tasks.webhook import Letter, Reception, post_letter
from workers.rounds import AWAY, Rounds

INTERVAL = 0.5
AT_ONCE = 16
LONGEST_WAIT = 3600.0
LARGEST_OUTPUT = 256_000
"""Bytes of JSON; a larger output is left out of what is sent, which says so: its receiver asks for it."""
AFTER_ITS_END = {"filed", "forgotten", "feedback"}
"""What becomes of a job once it has ended: with it a letter that is sent again would read otherwise."""

log = structlog.get_logger("mirepoix")


class Messenger(Rounds):
    """Takes due deliveries as places are free, sends each in a thread, and records what became of it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._config = house.config.webhooks
        self._hold = timedelta(seconds=self._config.timeout + house.settings.lease)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mirepoix-webhook")
        self._busy: list[Future[None]] = []
        super().__init__("messenger", self._send_due, INTERVAL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._threads.shutdown()

    def _send_due(self) -> None:
        for broken in (future.exception() for future in self._busy if future.done()):
            if broken is not None:
                log.error("a webhook could not be sent for a reason of our own", reason=repr(broken))
        self._busy = [future for future in self._busy if not future.done()]
        places = AT_ONCE - len(self._busy)
        if places == 0:
            return
        with self._house.database.read() as connection:
            if not has_due(connection):
                return
        with self._house.database.write() as connection:
            taken = take_due(connection, self._hold, places)
        self._busy += [self._threads.submit(self._send, due) for due in taken]

    def _send(self, due: Due) -> None:
        try:
            letter = self._write(due)
            self._record(due, letter if isinstance(letter, Reception) else self._post(due, letter))
        except NotFound:
            return  # the job has been pruned, and its delivery with it
        except AWAY as error:
            log.warning(
                "what became of a webhook is not recorded; it will be sent again", delivery=due.id, reason=error
            )

    def _post(self, due: Due, letter: Letter) -> Reception:
        allowed = self._config.allow if due.event == JOB_ENDED else None
        return self._house.loop.run(post_letter(letter, timeout=self._config.timeout, allowed=allowed))

    def _write(self, due: Due) -> Letter | Reception:
        name = due.secret_env or self._house.config.callback_secret(due.tenant)
        secret = os.environ.get(name) if name is not None else None
        if not secret:
            return Reception(error=f"the secret is missing: the variable {name} is not set where orchestrators run")
        body = json.dumps(self._content(due), ensure_ascii=True, separators=(",", ":")).encode()
        return Letter(due.id, due.event, due.url, body, secret)

    def _content(self, due: Due) -> dict[str, Any]:
        head = {"id": due.id, "type": due.event, "created_at": due.created_at.isoformat()}
        if due.job_id is None:
            return head | {"data": due.payload}
        with self._house.database.read() as connection:
            job = read_jobs(connection, [due.job_id])[0].model_dump(mode="json", exclude=AFTER_ITS_END)
        whole = len(json.dumps(job["output"])) <= LARGEST_OUTPUT
        return head | {"data": {**job, "output": job["output"] if whole else None, "output_left_out": not whole}}

    def _record(self, due: Due, reception: Reception) -> None:
        with self._house.database.write() as connection:
            if reception.taken:
                record_delivered(connection, due, reception.status or 0)
                return
            again = None if reception.hopeless or due.tries >= self._config.tries else wait(self._config, due.tries)
            record_undelivered(connection, due, reception.status, reception.error or "", again)
        log.warning(
            "a webhook was not taken", delivery=due.id, tries=due.tries, status=reception.status, given_up=again is None
        )


def wait(webhooks: Webhooks, tries: int) -> timedelta:
    """Until the next try after so many: doubled each time, give or take a fifth, so that a crowd does not come back."""
    seconds = min(webhooks.retry_after * 2 ** min(tries - 1, 30), LONGEST_WAIT)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))
