"""What a router says: which of the branches that can answer it prefers, and why.

A router is a function of the route, the query and the candidates (at least one); those of others are registered under
a name as entry points of the group `mirepoix.routers`.
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
    """`index` of the branch; `confidence` is 0..1, `features` what was looked at, `trained` the hash of what chose."""

    index: int
    reason: str
    confidence: float = 1.0
    features: dict[str, Any] = field(default_factory=dict)
    trained: str | None = None


Router = Callable[[Route, Query, Sequence[Candidate]], Preference]
