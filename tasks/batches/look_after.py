"""Look after a batch: send it, look how it stands, take its results. Each of these may break off at any point.

Before a batch is sent that may have been sent before, the provider is asked whether it has it. What is recorded of its
results is passed over the next time. So a process that dies costs time, and never pays for an answer twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

import structlog
from kombu.exceptions import OperationalError
from pydantic import JsonValue

from db.attempts import discard_attempt
from db.batches import (
    BatchedCall,
    HeldBatch,
    claim_batch,
    end_batch,
    is_wanted,
    mark_sent,
    note_requests,
    put_down,
    put_down_broken,
    read_calls,
)
from mirepoix.config import Batching
from mirepoix.errors import LedgerError, ProviderError
from mirepoix.ledger.accept import BATCH_WINDOW
from mirepoix.ledger.tables import now
from mirepoix.states import BatchState, ErrorKind
from tasks.batches.custom_ids import attempt_of, custom_id
from tasks.batches.results import record_result
from tasks.follow import publish_steps
from tasks.house import House
from tasks.providers.base import Completion
from tasks.providers.batches import BatchApi, SentBatch, unanswered
from tasks.recording import write_until_taken

A_PAGE = 200
IN_MEMORY = 4_000_000
LONGEST_LINE = 16_000_000
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 600.0
PATIENCE = timedelta(seconds=2 * BATCH_WINDOW)
"""So long after it was sent a batch that cannot be asked about is given up."""

COMES_AGAIN = (LedgerError, OperationalError, OSError)
"""Services that are away end a task, not the batch: it is sent again."""

log = structlog.get_logger("mirepoix")


def look_after(house: House, batch_id: str) -> None:
    """Take the batch one step further; a duplicate finds it held, or ended, and does nothing."""
    with house.database.write() as connection:
        batch = claim_batch(connection, batch_id, house.worker_id)
    if batch is None:
        return
    batching = house.config.providers[batch.provider].batching or Batching()
    keeper = _Keeper(house, batch, batching, house.batches(batch.provider))
    try:
        if batch.state is BatchState.SEALED:
            keeper.send()
        else:
            keeper.look()
    except ProviderError as error:
        keeper.fail(error)
    finally:
        keeper.let_go()


class _Keeper:
    """Who looks after one batch."""

    def __init__(self, house: House, batch: HeldBatch, batching: Batching, api: BatchApi) -> None:
        self._house = house
        self._batch = batch
        self._look_every = timedelta(seconds=batching.poll)
        self._api = api

    def send(self) -> None:
        """Send it, unless the provider has it already. Raises ProviderError."""
        batch, run = self._batch, self._house.loop.run
        remote_id = None
        if batch.epoch > 1:
            remote_id = run(self._api.find(batch.id, batch.requests, batch.created_at))
        if remote_id is None:
            with SpooledTemporaryFile(IN_MEMORY) as lines:
                requests = self._write_lines(lines)
                if requests == 0:
                    self._end()
                    return
                if not write_until_taken(self._house, lambda connection: note_requests(connection, batch, requests)):
                    return
                lines.seek(0)
                remote_id = run(self._api.send(batch.id, lines))
        sent = remote_id
        write_until_taken(self._house, lambda connection: mark_sent(connection, batch, sent, self._look_every))
        log.info("a batch is sent", batch=batch.id, remote=sent, model=batch.model)

    def look(self) -> None:
        """Take its results if it has ended; if nobody waits for it any more, cancel it. Raises ProviderError."""
        remote_id = self._batch.remote_id or ""
        there = self._house.loop.run(self._api.look(remote_id))
        if there.ended:
            self._take(there)
            return
        with self._house.database.read() as connection:
            wanted = is_wanted(connection, self._batch.id)
        if not wanted and not there.cancelling:
            self._house.loop.run(self._api.cancel(remote_id))
        write_until_taken(self._house, lambda connection: put_down(connection, self._batch, self._look_every))

    def fail(self, error: ProviderError) -> None:
        """It could not be sent, or asked about: try again later, or let each of its calls go on alone."""
        if self._is_hopeless(error):
            self._refuse(error)
            self._end(str(error))
            return
        backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._batch.failures, 20))
        wait = timedelta(seconds=max(backoff, error.wait or 0))
        write_until_taken(self._house, lambda connection: put_down(connection, self._batch, wait, str(error)))
        log.warning("a batch waits", batch=self._batch.id, state=self._batch.state, reason=str(error))

    def let_go(self) -> None:
        """Whatever broke, somebody looks after it again."""
        write_until_taken(self._house, lambda connection: put_down_broken(connection, self._batch))

    def _is_hopeless(self, error: ProviderError) -> bool:
        since = self._batch.sent_at or self._batch.created_at
        if now() - since > PATIENCE:
            return True
        if self._batch.state is BatchState.SENT:
            return error.kind is ErrorKind.NOT_FOUND
        return not error.retryable

    def _write_lines(self, lines: IO[bytes]) -> int:
        """The requests that somebody waits for; the others are struck out."""
        requests = 0
        for call in self._calls():
            if call.wanted and isinstance(call.prompt, dict):
                lines.write(self._api.line(custom_id(self._batch.id, call.attempt_id), call.prompt))
                requests += 1
            else:
                discard = partial(discard_attempt, attempt_id=call.attempt_id)
                write_until_taken(self._house, discard)
        return requests

    def _take(self, there: SentBatch) -> None:
        """Record all results, then that there are none of the others; a process that is to end leaves the rest."""
        for path in there.results:
            with SpooledTemporaryFile(IN_MEMORY) as file:
                self._house.loop.run(self._api.download(path, file))
                file.seek(0)
                while line := file.readline(LONGEST_LINE):
                    if self._house.flights.closing.is_set():
                        write_until_taken(self._house, lambda c: put_down(c, self._batch, timedelta(0)))
                        return
                    self._take_line(line)
        self._refuse(unanswered(there.error or "the batch ended without an answer to this request"))
        self._end(there.error)

    def _take_line(self, line: bytes) -> None:
        try:
            given, result = self._api.read(line)
        except ProviderError as error:
            log.warning("a line of a batch's results cannot be read", batch=self._batch.id, reason=str(error))
            return
        attempt_id = attempt_of(self._batch.id, given)
        if attempt_id is not None:
            record_result(self._house, self._batch.id, attempt_id, partial(self._api.completion, result))

    def _refuse(self, error: ProviderError) -> None:
        """Record for each request that is left that it was not answered; its step goes on alone."""
        alone = ProviderError(str(error), kind=error.kind, retryable=True, status=error.status)

        def read(body: dict[str, JsonValue]) -> Completion:
            raise alone

        for call in self._calls():
            record_result(self._house, self._batch.id, call.attempt_id, read)

    def _end(self, error: str | None = None) -> None:
        steps = write_until_taken(self._house, lambda connection: end_batch(connection, self._batch, error))
        publish_steps(self._house, steps)
        log.info("a batch has ended", batch=self._batch.id, error=error)

    def _calls(self) -> Iterator[BatchedCall]:
        """The requests whose outcome is not recorded, as they were when their page was read."""
        after = 0
        while True:
            with self._house.database.read() as connection:
                calls = read_calls(connection, self._batch.id, after=after, limit=A_PAGE)
            if not calls:
                return
            yield from calls
            after = calls[-1].attempt_id
