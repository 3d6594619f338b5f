"""Methods that look at answers: agreement cascades, cascade routing, and votes."""

from __future__ import annotations

from collections.abc import Iterator

from learning.compare.methods import Trial, Tried
from pipelines.learned.model import LearnedRouter


def answer_methods(trial: Trial, router: LearnedRouter) -> Iterator[Tried]:
    """Those that what was recorded allows: without parsed answers there is nothing to agree on."""
    yield from ()
