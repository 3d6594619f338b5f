"""What a router says: which of the branches that can answer it prefers, and why.

A router is a function of the route, the query and the candidates (at least one). This is all that a learned one needs;
it is registered under a name as an entry point of the group `mirepoix.routers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mirepoix.spec import Route
from pipelines.routers.expectation import Candidate
from pipelines.routers.query import Query


@dataclass(frozen=True, slots=True)
class Preference:
    """`index` of the branch; `confidence` is 0..1, `features` what was looked at."""

    index: int
    reason: str
    confidence: float = 1.0
    features: dict[str, Any] = field(default_factory=dict)


Router = Callable[[Route, Query, Sequence[Candidate]], Preference]
