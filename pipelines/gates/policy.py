"""A cascade whose trained policy says which tier is asked next, or that the answers so far are enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from mirepoix.errors import PipelineError
from mirepoix.spec import Call, Cascade, Policy
from mirepoix.views import Decision
from pipelines.gates.cascade import Ask, Move
from pipelines.gates.seen import Tier
from pipelines.learned.advice import Advice, Heard
from pipelines.reducers import Member, same_groups

if TYPE_CHECKING:
    from pipelines.learned.answer_policy import AnswerPolicy
    from pipelines.learned.ways import Way


def policy_move(node: Cascade, tiers: Mapping[int, Tier], question: str, policy: AnswerPolicy) -> Move:
    """What the policy makes of the `tiers` asked so far, by their numbers. Raises PipelineError for unknown models."""
    asks = _asked_by(node)
    models = [tier.model for tier in node.tiers if isinstance(tier, Call)]
    heard = {models[number]: heard for number, heard in _heard(asks, tiers).items()}
    way, promised = _way(asks, policy, models)
    advice = policy.advise(question, heard, way, [model for model in models if model not in heard])
    features: dict[str, JsonValue] = {
        "policy": asks.learned,
        "way": way.told,
        **policy.shown(way),
        "promised": None if promised is None else round(promised, 4),
        "answers": {model: one.group for model, one in heard.items()},
        "chance": round(advice.chance, 4),
        "gains": _rounded(advice.gains),
        "worth": _rounded(advice.worth),
    }
    return _move(advice, models, features, policy.hash)


def _asked_by(node: Cascade) -> Policy:
    if node.policy is None:
        raise PipelineError("this cascade has no policy.")
    return node.policy


def _heard(asks: Policy, tiers: Mapping[int, Tier]) -> dict[int, Heard]:
    answered = [Member(str(number), tier.answer) for number, tier in tiers.items() if tier.error is None]
    groups = same_groups(asks.by, answered)
    group_of = {int(member.path): index for index, group in enumerate(groups) for member in group.members}
    # An answer in no group is one that cannot be compared: it stands alone, unless it is empty.
    alone = len(groups)
    for number, tier in tiers.items():
        if number not in group_of and tier.error is None and not tier.empty:
            group_of[number], alone = alone, alone + 1
    return {number: Heard(group_of.get(number, -1), len(tier.text)) for number, tier in tiers.items()}


def _way(asks: Policy, policy: AnswerPolicy, models: list[str]) -> tuple[Way, float | None]:
    """In which way to ask, and the quality that can be promised with it, relative to the best single model."""
    from pipelines.learned.ways import Priced  # numpy: only who asks a policy has it

    if asks.quality_per_usd is not None:
        return Priced(asks.quality_per_usd), None
    known = [number for number, name in enumerate(policy.models) if name in models]
    index = policy.promise.way_for(asks.target_quality or 0.0, known)
    return policy.promise.ways[index], float(policy.promise.safe[index])


def _move(advice: Advice, models: list[str], features: dict[str, JsonValue], hash_: str) -> Move:
    if advice.ask is not None:
        sure = f"{advice.stands} is right with a chance of {advice.chance:.2f}" if advice.stands else "nobody answered"
        decision = _decision(
            "escalate" if advice.stands else "ask", f"{sure}: ask {advice.ask}", advice, features, hash_
        )
        return Move(decision, ask=Ask.NEXT_TIER, tier=models.index(advice.ask))
    if advice.stands is None:
        return Move(_decision("fail", "no tier gave an answer", advice, features, hash_))
    number = models.index(advice.stands)
    reason = f"{advice.stands} is right with a chance of {advice.chance:.2f}; {features['way']} asks no further"
    return Move(_decision("accept", reason, advice, features | {"accepted": number}, hash_), stands=number)


def _decision(choice: str, reason: str, advice: Advice, features: dict[str, JsonValue], hash_: str) -> Decision:
    confidence = round(min(1.0, max(0.0, advice.chance)), 4)
    return Decision(choice=choice, reason=reason, confidence=confidence, features=features, trained=hash_)


def _rounded(values: Mapping[tuple[str, ...], float]) -> dict[str, JsonValue]:
    return {" + ".join(models): round(value, 4) for models, value in values.items()}
