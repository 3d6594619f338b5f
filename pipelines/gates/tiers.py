"""The tiers of a cascade as its gates see them, read from how the steps below it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mirepoix.ended import Below
from mirepoix.paths import Place, child, children, comparison_of, comparisons_of, judge_of, samples_of
from mirepoix.spec import Cascade
from pipelines.gates.cascade import Ask, Move
from pipelines.gates.seen import Heard, Tier


def see_tiers(place: Place, below: Sequence[Below]) -> tuple[Tier, ...]:
    """The tiers of the cascade at `place` asked so far, with what was asked beside them."""
    return tuple(tiers_by_number(place, below).values())


def tiers_by_number(place: Place, below: Sequence[Below]) -> dict[int, Tier]:
    """The tiers asked so far by their numbers: a policy asks them in an order of its own."""
    by_path = {one.path: one for one in below}
    return {tier.index: _see_tier(place, tier, by_path) for tier in children(place) if tier.path in by_path}


def places_asked(place: Place, move: Move) -> list[Place]:
    """What the cascade at `place` asks by this move; nothing where an answer stands, or none does."""
    match move.ask:
        case None:
            return []
        case Ask.NEXT_TIER:
            return [child(place, move.tier)]
        case Ask.SAMPLES:
            return samples_of(place, move.tier)
        case Ask.JUDGE:
            return [judge_of(place, move.tier)]
        case Ask.COMPARISONS:
            return [comparison_of(place, move.tier, other) for other in move.others]


def _see_tier(cascade: Place, tier: Place, by_path: Mapping[str, Below]) -> Tier:
    seen = by_path[tier.path]
    gates = cascade.node.accept.gates if isinstance(cascade.node, Cascade) else None
    samples: list[Place] = samples_of(cascade, tier.index) if gates and gates.consistency else []
    judges: list[Place] = [judge_of(cascade, tier.index)] if gates and gates.judge else []
    compared = dict(enumerate(comparisons_of(cascade, tier.index)))
    heard = {
        place.path: Heard(by_path[place.path].output, by_path[place.path].error)
        for place in (*samples, *judges, *compared.values())
        if place.path in by_path
    }
    return Tier(
        answer=seen.output,
        finish_reason=seen.finish_reason,
        error=seen.error,
        logprob=seen.logprob,
        samples=tuple(heard[place.path] for place in samples if place.path in heard) or None,
        judge=next((heard[place.path] for place in judges if place.path in heard), None),
        compared={other: heard[place.path] for other, place in compared.items() if place.path in heard},
    )
