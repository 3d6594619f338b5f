"""Which decisions are made at once, by whoever makes them ready, and need no message to an orchestrator.

Those that the house's own code makes of what the ledger has, as much of it as the pipeline says. Left to orchestrators
are functions of the user's own, which may take their time or break; trained files, embeddings and measured latencies,
which every provider's worker would have to load; and maps, which are as wide as their data.
"""

from __future__ import annotations

from mirepoix.spec import Cascade, Ensemble, If, Pipeline, Route
from pipelines.gates import needs_function
from pipelines.routers import QUICK


def decides_at_once(node: Pipeline) -> bool:
    """Whether what stands at `node` decides as soon as it can."""
    match node:
        case Ensemble() | If():
            return True
        case Cascade():
            return node.policy is None and needs_function(node.accept) is None
        case Route():
            return node.by in QUICK
        case _:
            return False
