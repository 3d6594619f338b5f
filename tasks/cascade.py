"""A cascade decides: a tier's answer stands, or the next tier is asked, or its gates ask models first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from db.decisions import read_below, read_input, record_decision
from db.steps import read_version
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, find
from mirepoix.spec import Cascade
from mirepoix.states import ErrorKind
from pipelines.gates import (
    Move,
    Tier,
    needs_function,
    next_move,
    places_asked,
    policy_move,
    see_tiers,
    tiers_by_number,
)
from pipelines.routers.query import as_query
from tasks.decide import Deciding, Outcome
from tasks.house import House
from tasks.record import visible_values


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """What follows from these tiers, thought of before the step was claimed."""

    tiers: tuple[Tier, ...]
    move: Move


def judging(house: House, job_id: str, path: str) -> Callable[[Deciding], Outcome]:
    """As `judge_tier`, for the cascade at `path` before it is claimed.

    A function of the user's own is asked here, before the claim: whoever claims holds the job's lock, on SQLite the
    whole ledger's, and another's code may take its time.
    """
    return partial(judge_tier, foreseen=_foresee(house, job_id, path))


def judge_tier(step: Deciding, foreseen: _Foreseen | None = None) -> Outcome:
    """A cascade: what to make of the tiers that were asked so far."""
    node = _cascade(step.place)
    if node.policy is not None:
        return _follow_policy(step, node, node.policy.learned)
    tiers = see_tiers(step.place, step.below())
    if foreseen is not None and foreseen.tiers == tiers:
        return _carry_out(step, dict(enumerate(tiers)), foreseen.move)
    given = read_input(step.connection, step.claim.job_id) if needs_function(node.accept) else None
    return _carry_out(step, dict(enumerate(tiers)), _think(node, tiers, given))


def _foresee(house: House, job_id: str, path: str) -> _Foreseen | None:
    """None where there is no function to ask, or nothing to ask it about yet."""
    with house.database.read() as connection:
        version, _ = read_version(connection, job_id)
        place = find(house.spec(connection, version), path)
        node = _cascade(place)
        if needs_function(node.accept) is None:
            return None
        below, given = read_below(connection, job_id, path), read_input(connection, job_id)
    if not below or not all(one.state.terminal for one in below):
        return None
    tiers = see_tiers(place, below)
    return _Foreseen(tiers, _think(node, tiers, given))


def _think(node: Cascade, tiers: tuple[Tier, ...], given: JsonValue) -> Move:
    return next_move(node.accept, tiers, more=len(tiers) < len(node.tiers), given=given)


def _follow_policy(step: Deciding, node: Cascade, name: str) -> Outcome:
    """Do what the policy promoted under that name says."""
    policy = step.house.policy(step.connection, name)
    tiers = tiers_by_number(step.place, step.below())
    asked = visible_values(step.connection, step.claim, step.place)["previous"]
    question = as_query(asked, step.house.config).text
    return _carry_out(step, tiers, policy_move(node, tiers, question, policy))


def _carry_out(step: Deciding, tiers: Mapping[int, Tier], move: Move) -> Outcome:
    if move.stands is not None:
        return step.answer(move.decision, tiers[move.stands].answer)
    if move.ask is None:
        record_decision(step.connection, step.claim, move.decision)
        return step.fail(ErrorKind.EXHAUSTED, move.decision.reason)
    below = places_asked(step.place, move)
    return step.grow(move.decision, below, step.canvas.before(step.place, below))


def _cascade(place: Place) -> Cascade:
    if not isinstance(place.node, Cascade):
        raise PipelineError(f"step {place.path!r} is no cascade.")
    return place.node
