"""The trained files that this process decides with: the promoted one of a name, or the one of a hash."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection

from db.routers import load_file, promoted
from mirepoix.states import TrainedKind

T = TypeVar("T")

PROMOTED_FRESH = 1.0
"""How long, in seconds, a newly promoted version may stay unseen."""
FILES_KEPT = 16


class Trained:
    """Loads each file once; which one is promoted is looked up again after `PROMOTED_FRESH` seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._promoted: dict[tuple[str, TrainedKind], tuple[float, str]] = {}
        self._files: OrderedDict[str, Any] = OrderedDict()

    def promoted(self, connection: Connection, name: str, kind: TrainedKind, load: Callable[[bytes], T]) -> T:
        """What `load` makes of the version that decides under `name`; raises NotFound, and what `load` raises."""
        looked_at, hash_ = self._promoted.get((name, kind), (float("-inf"), ""))
        if time.monotonic() - looked_at > PROMOTED_FRESH:
            hash_ = promoted(connection, name, kind)
            self._promoted[name, kind] = (time.monotonic(), hash_)
        return self.of_hash(connection, hash_, load)

    def of_hash(self, connection: Connection, hash_: str, load: Callable[[bytes], T]) -> T:
        """What `load` makes of the file with that hash, from memory where it was loaded before; raises NotFound."""
        with self._lock:
            if hash_ in self._files:
                self._files.move_to_end(hash_)
            else:
                self._files[hash_] = load(load_file(connection, hash_))
                if len(self._files) > FILES_KEPT:
                    self._files.popitem(last=False)
            loaded: T = self._files[hash_]
            return loaded
