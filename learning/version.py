"""A version of a router: what it learned, measured on what it did not learn, and what is told of it in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from learning.drift import profile_of
from learning.known import split, train_on_known
from learning.outcomes import Outcome
from learning.report import Report, measure
from pipelines.learned.model import LearnedRouter

DIGITS = 8
"""Hex digits of a question's hash by which it is known again."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A router, how it did, and the report that is stored with it."""

    router: LearnedRouter
    measured: Report
    report: dict[str, Any]


def train_version(
    outcomes: Sequence[Outcome],
    models: Sequence[str],
    current: LearnedRouter | None,
    *,
    target_quality: float,
    seed: int,
) -> Trained:
    """Learn from some of the questions and measure on the others, beside the router that decides now.

    Raises InputError where too little is known.
    """
    parts = split(outcomes, models)
    router = train_on_known(parts.learn, models, seed=seed)
    measured = measure(router, parts.measure, current, target_quality)
    report = measured.as_json() | {
        "learned_from": len(parts.learn),
        "compared_with": None if current is None or measured.current is None else current.hash,
        "seed": seed,
        "profile": profile_of(router, [outcome.question for outcome in parts.measure]),
        "seen": "".join(sorted(_digits(outcome) for outcome in parts.learn)),
    }
    return Trained(router, measured, report)


def unseen(report: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that the version with this report has not learned from."""
    seen = str(report.get("seen", ""))
    known = {seen[start : start + DIGITS] for start in range(0, len(seen), DIGITS)}
    return [outcome for outcome in outcomes if _digits(outcome) not in known]


def _digits(outcome: Outcome) -> str:
    return sha256(outcome.question.encode("utf-8", "replace")).hexdigest()[:DIGITS]
