"""The trained files that this process decides with: the promoted one of a name, or the one of a hash."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from db.routers import load_file, promoted
from mirepoix.errors import InputError, NotFound, PipelineError
from mirepoix.paths import Place, walk
from mirepoix.spec import Pipeline, Route
from mirepoix.states import TrainedKind
from mirepoix.views import TraceView
from pipelines.routers.learned import Routers, require_learned

if TYPE_CHECKING:
    from pipelines.learned.model import LearnedRouter

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

    def router(self, connection: Connection, name: str) -> LearnedRouter:
        """The router that decides under `name` now. Raises PipelineError, which says what to do."""
        require_learned()
        from pipelines.learned.model import LearnedRouter  # numpy: only who has such a route needs the extra `learned`

        try:
            return self.promoted(connection, name, TrainedKind.ROUTER, LearnedRouter.from_bytes)
        except (NotFound, InputError) as error:
            raise PipelineError(f"router {name!r}: {error}") from error

    def routers_of(self, connection: Connection, places: Iterable[Place]) -> Routers:
        """The routers that the routes among `places` ask now, by name. Raises PipelineError."""
        return {name: self.router(connection, name) for name in sorted(_named(places))}

    def routers_then(self, connection: Connection, trace: TraceView) -> Routers:
        """The routers that decided in a recorded job, by the hashes that it recorded. Raises PipelineError."""
        hashes = {decision.trained for step in trace.steps if step.kind == "route" for decision in step.decisions}
        return {hash_: self._of_hash(connection, hash_) for hash_ in sorted(hash_ for hash_ in hashes if hash_)}

    def _of_hash(self, connection: Connection, hash_: str) -> LearnedRouter:
        require_learned()
        from pipelines.learned.model import LearnedRouter

        try:
            return self.of_hash(connection, hash_, LearnedRouter.from_bytes)
        except (NotFound, InputError) as error:
            raise PipelineError(f"router {hash_[:12]}: {error}") from error


def names_routers(spec: Pipeline) -> bool:
    """Whether a route of `spec` asks a trained router."""
    return bool(_named(walk(spec)))


def _named(places: Iterable[Place]) -> set[str]:
    nodes = (place.node for place in places)
    return {node.router for node in nodes if isinstance(node, Route) and node.router is not None}
