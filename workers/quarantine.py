"""What becomes of poison: logged once, without its content, and kept in the ledger; the worker goes on."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict

import structlog

from db.quarantine import Poison, quarantine
from mirepoix.errors import LedgerError
from tasks.house import House

WAITING = 1000
"""How many descriptions may wait for the ledger; what comes beyond is counted in the log only."""
REMEMBERED = 10_000
"""How many fingerprints a process remembers, to log each once."""
AT_ONCE = 100
PATIENCE = 5.0

log = structlog.get_logger("mirepoix")


class Quarantine:
    """Takes poison away from the consumer, which must not wait for a ledger that is slow or gone.

    A thread of its own writes; it starts with the first poison, so most processes never have it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: queue.Queue[Poison | None] = queue.Queue(WAITING)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None

    def take(self, name: str, raw: bytes, reason: str) -> None:
        """Put away the message `raw` that was found in the queue `name`. Never raises, never waits."""
        poison = Poison.of(name, raw, reason)
        with self._lock:
            if self._is_new(poison.fingerprint):
                _tell("a message is quarantined", poison)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="mirepoix-quarantine", daemon=True)
                self._writer.start()
        try:
            self._waiting.put_nowait(poison)
        except queue.Full:
            _tell("too many messages to quarantine; this one is dropped", poison)

    def close(self) -> None:
        """Give the ledger the chance to take what still waits."""
        if self._writer is None:
            return
        try:
            self._waiting.put(None, timeout=PATIENCE)
        except queue.Full:
            return
        self._writer.join(PATIENCE)

    def __repr__(self) -> str:
        return "<Quarantine>"

    def _is_new(self, fingerprint: str) -> bool:
        known = fingerprint in self._seen
        self._seen[fingerprint] = None
        self._seen.move_to_end(fingerprint)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return not known

    def _write_all(self) -> None:
        while True:
            found = [self._waiting.get()]
            while len(found) < AT_ONCE and not self._waiting.empty():
                found.append(self._waiting.get())
            if described := [poison for poison in found if poison is not None]:
                self._write(described)
            if None in found:
                return

    def _write(self, found: list[Poison]) -> None:
        try:
            with self._house.database.write() as connection:
                quarantine(connection, found)
        except LedgerError as error:
            for poison in found:
                _tell("the ledger does not take a message into quarantine; it is dropped", poison, cause=str(error))


def _tell(event: str, poison: Poison, **more: str) -> None:
    log.warning(
        event, queue=poison.queue, reason=poison.reason, size=poison.size, fingerprint=poison.fingerprint, **more
    )
