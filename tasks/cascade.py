"""A cascade decides: a tier's answer stands, or the next tier is asked, or its gates ask models first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from db.decisions import Below, read_below, read_input, record_decision
from db.steps import read_version
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, child, children, find, judge_of, samples_of
from mirepoix.spec import Cascade
from mirepoix.states import ErrorKind
from pipelines.gates import Ask, Heard, Move, Tier, needs_function, next_move
from tasks.decide import Deciding, Outcome
from tasks.house import House


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """What follows from these tiers, thought of before the step was claimed."""

    tiers: tuple[Tier, ...]
    move: Move


def judging(house: House, job_id: str, path: str) -> Callable[[Deciding], Outcome]:
    """What to make of the cascade at `path` once it is claimed.

    A function of the user's own is asked here, before the claim: whoever claims holds the job's lock, on SQLite the
    whole ledger's, and another's code may take its time.
    """
    foreseen = _foresee(house, job_id, path)

    def judge_tier(step: Deciding) -> Outcome:
        node = _cascade(step.place)
        tiers = see_tiers(step.place, step.below())
        if foreseen is not None and foreseen.tiers == tiers:
            return _carry_out(step, tiers, foreseen.move)
        given = read_input(step.connection, step.claim.job_id) if needs_function(node.accept) else None
        return _carry_out(step, tiers, _think(node, tiers, given))

    return judge_tier


def see_tiers(place: Place, below: Sequence[Below]) -> tuple[Tier, ...]:
    """The tiers of the cascade at `place` asked so far, with what was asked beside them."""
    by_path = {one.path: one for one in below}
    return tuple(_see_tier(tier, by_path) for tier in children(place) if tier.path in by_path)


def _see_tier(tier: Place, by_path: dict[str, Below]) -> Tier:
    seen, cascade = by_path[tier.path], tier.parent
    gates = _cascade(cascade).accept.gates if cascade is not None else None
    samples: list[Place] = samples_of(cascade, tier.index) if cascade and gates and gates.consistency else []
    judges: list[Place] = [judge_of(cascade, tier.index)] if cascade and gates and gates.judge else []
    heard = {
        place.path: Heard(by_path[place.path].output, by_path[place.path].error)
        for place in (*samples, *judges)
        if place.path in by_path
    }
    return Tier(
        answer=seen.output,
        finish_reason=seen.finish_reason,
        error=seen.error,
        logprob=seen.logprob,
        samples=tuple(heard[place.path] for place in samples if place.path in heard) or None,
        judge=next((heard[place.path] for place in judges if place.path in heard), None),
    )


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


def _carry_out(step: Deciding, tiers: tuple[Tier, ...], move: Move) -> Outcome:
    place, asked = step.place, len(tiers) - 1
    if move.stands is not None:
        return step.answer(move.decision, tiers[move.stands].answer)
    match move.ask:
        case Ask.NEXT_TIER:
            below = [child(place, asked + 1)]
        case Ask.SAMPLES:
            below = samples_of(place, asked)
        case Ask.JUDGE:
            below = [judge_of(place, asked)]
        case None:
            record_decision(step.connection, step.claim, move.decision)
            return step.fail(ErrorKind.EXHAUSTED, move.decision.reason)
    return step.grow(move.decision, below, step.canvas.before(place, below))


def _cascade(place: Place) -> Cascade:
    if not isinstance(place.node, Cascade):
        raise PipelineError(f"step {place.path!r} is no cascade.")
    return place.node
