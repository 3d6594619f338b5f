"""Decide after each tier of a cascade: its answer stands, or the next one is asked, or a gate needs more calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import JsonValue

from mirepoix.spec import Accept
from mirepoix.spec.gates import Gate
from mirepoix.views import Decision
from pipelines.gates.agreement import Standing, see_agreement
from pipelines.gates.ask import ASK_MODELS, Heed, ask_gates
from pipelines.gates.seen import Tier
from pipelines.gates.weigh import Verdict, still_open, weigh


class Ask(Enum):
    """What a cascade asks for before it decides again; the value is what the trace calls it."""

    NEXT_TIER = "escalate"
    SAMPLES = "sample"
    JUDGE = "judge"
    COMPARISONS = "compare"


ASKS = {"consistency": Ask.SAMPLES, "judge": Ask.JUDGE}


@dataclass(frozen=True, slots=True)
class Move:
    """What a cascade does next, and why: the answer of tier `stands`, or `ask` first, or, with neither, fail.

    `tier` is the one that is asked, sampled, judged, or compared with the `others`.
    """

    decision: Decision
    stands: int | None = None
    ask: Ask | None = None
    tier: int = 0
    others: tuple[int, ...] = ()


def next_move(accept: Accept, tiers: Sequence[Tier], *, more: bool, given: JsonValue = None) -> Move:
    """What follows from the `tiers` asked so far; `more` says whether there is another, `given` is the job's input."""
    index = len(tiers) - 1
    agreement = see_agreement(accept.agreement, tiers)
    if agreement.open and (more or accept.otherwise in ("best", "fail")) and not accept.ask_all:
        return _compare(accept, agreement, index)
    agreeing = agreement.agreeing
    agreed = _accept_agreed(accept, tiers, agreement, given)
    if agreed is not None:
        return agreed
    if tiers[index].error is not None:
        return _without_answer(accept, tiers, more=more, given=given)
    threshold, heed = accept.threshold(index), ask_gates(accept, tiers, index, given)
    verdict = weigh(heed.said)
    features = _features(index, threshold, verdict, heed)
    if accept.agreement is not None:
        features |= {"agreeing": len(agreeing), **agreement.features}
    wanted = _wanted(accept, heed, threshold, more=more)
    if wanted is not None:
        return _ask_models(wanted, index, verdict, threshold, features)
    return _conclude(accept, tiers, verdict, features, more=more, given=given)


def _compare(accept: Accept, agreement: Standing, index: int) -> Move:
    """Have a judge say which of the others say the same as one."""
    tier, others = agreement.tier, agreement.open
    judge = accept.agreement.by.judge if accept.agreement else None
    said = f"tier {tier} does not say word for word what {', '.join(f'tier {other}' for other in others)} said"
    features: dict[str, JsonValue] = {"tier": index, "agreeing": len(agreement.agreeing), **agreement.features}
    reason = f"{said}: {judge.model if judge else 'a judge'} is to say whether it means the same"
    return Move(_decision("compare", reason, 0.0, features), ask=Ask.COMPARISONS, tier=tier, others=others)


def _accept_agreed(accept: Accept, tiers: Sequence[Tier], agreement: Standing, given: JsonValue) -> Move | None:
    """Accept an answer that enough tiers gave, unless a gate vetoes it; None where there is none."""
    agreeing = agreement.agreeing
    if accept.agreement is None or len(agreeing) < accept.agreement.of or accept.ask_all:
        return None
    stands = agreeing[-1]
    threshold, heed = accept.threshold(stands), ask_gates(accept, tiers, stands, given)
    verdict = weigh(heed.said)
    if verdict.vetoes:
        return None
    features = _features(stands, threshold, verdict, heed) | {"agreeing": len(agreeing), **agreement.features}
    if stands != len(tiers) - 1:
        features["accepted"] = stands
    told = "" if accept.by_agreement_alone else f"; {_told(verdict, threshold)}"
    reason = f"{len(agreeing)} tiers agree{told}"
    return Move(_decision("accept", reason, max(verdict.score, len(agreeing) / len(tiers)), features), stands=stands)


def _conclude(
    accept: Accept,
    tiers: Sequence[Tier],
    verdict: Verdict,
    features: dict[str, JsonValue],
    *,
    more: bool,
    given: JsonValue,
) -> Move:
    """All gates that matter have spoken."""
    index = len(tiers) - 1
    threshold = accept.threshold(index)
    told, good = _told(verdict, threshold), verdict.accepts(threshold)
    if accept.by_agreement_alone:
        told, good = f"{features['agreeing']} of {len(tiers)} tiers agree", False
    if more and (accept.ask_all or not good):
        all_asked = "; all tiers are asked" if good else ""
        return Move(_decision("escalate", told + all_asked, verdict.score, features), ask=Ask.NEXT_TIER, tier=index + 1)
    if good or accept.ask_all or accept.otherwise in (None, "last"):
        ending = "" if good else "; there is no further tier"
        return Move(_decision("accept", told + ending, verdict.score, features), stands=index)
    if accept.otherwise == "fail":
        reason = f"{told}; no tier's answer was good enough"
        return Move(_decision("fail", reason, verdict.score, features))
    best, score = _best(accept, tiers, given)
    reason = f"{told}; there is no further tier, and of all tier {best} is best"
    return Move(_decision("accept", reason, score, features | {"accepted": best}), stands=best)


def _without_answer(accept: Accept, tiers: Sequence[Tier], *, more: bool, given: JsonValue) -> Move:
    index = len(tiers) - 1
    features: dict[str, JsonValue] = {"tier": index, "at_least": accept.threshold(index), "error": tiers[-1].error}
    said = f"tier {index} gave no answer"
    if more:
        decision = _decision("escalate", f"{said}: {tiers[-1].error}", 0.0, features)
        return Move(decision, ask=Ask.NEXT_TIER, tier=index + 1)
    if all(tier.error is not None for tier in tiers):
        return Move(_decision("fail", f"no tier gave an answer; the last one: {tiers[-1].error}", 0.0, features))
    if accept.otherwise == "fail":
        reason = f"{said}, and no other tier's was good enough; the last one: {tiers[-1].error}"
        return Move(_decision("fail", reason, 0.0, features))
    best, score = _best(accept, tiers, given)
    reason = f"{said} ({tiers[-1].error}); of the others tier {best} is best"
    return Move(_decision("accept", reason, score, features | {"accepted": best}), stands=best)


def _wanted(accept: Accept, heed: Heed, threshold: float, *, more: bool) -> str | None:
    """The gate that needs calls now: the first one that can still change what becomes of the answer."""
    if not heed.waiting or not (more or accept.ask_all or accept.otherwise in ("best", "fail")):
        return None
    waiting: list[Gate] = list(heed.waiting.values())
    if not accept.ask_all and not still_open(heed.said, waiting, threshold):
        return None
    return next(name for name in ASK_MODELS if name in heed.waiting)


def _ask_models(wanted: str, tier: int, verdict: Verdict, threshold: float, features: dict[str, JsonValue]) -> Move:
    said = "; ".join(map(str, verdict.said)) or "no gate has spoken"
    reason = f"{said}: {wanted} is to say whether it reaches {threshold:.2f}"
    return Move(_decision(ASKS[wanted].value, reason, verdict.score, features), ask=ASKS[wanted], tier=tier)


def _best(accept: Accept, tiers: Sequence[Tier], given: JsonValue) -> tuple[int, float]:
    """The tier with the highest score among those that answered, and that score; one that is vetoed comes last."""
    verdicts = {
        index: weigh(ask_gates(accept, tiers, index, given).said)
        for index, tier in enumerate(tiers)
        if tier.error is None
    }
    best = max(verdicts, key=lambda index: (not verdicts[index].vetoes, verdicts[index].score))
    return best, verdicts[best].score


def _told(verdict: Verdict, threshold: float) -> str:
    """The verdict in words."""
    if len(verdict.said) == 1 and verdict.said[0].gate == "quality":
        relation = "reaches" if verdict.accepts(threshold) else "is below"
        return f"quality {verdict.score:.2f} {relation} {threshold:.2f}: {verdict.said[0].score.reason}"
    said = "; ".join(map(str, verdict.said)) or "no gate was asked"
    if verdict.vetoes:
        return f"vetoed by {', '.join(one.gate for one in verdict.vetoes)}: {said}"
    return (
        f"score {verdict.score:.2f} {'reaches' if verdict.score >= threshold else 'is below'} {threshold:.2f}: {said}"
    )


def _features(index: int, threshold: float, verdict: Verdict, heed: Heed) -> dict[str, JsonValue]:
    features: dict[str, JsonValue] = {"tier": index, "score": verdict.score, "at_least": threshold, **heed.features}
    features["gates"] = [said.shown for said in verdict.said]
    if heed.waiting:
        features["not_asked"] = list(heed.waiting)
    return features


def _decision(choice: str, reason: str, confidence: float, features: dict[str, JsonValue]) -> Decision:
    return Decision(choice=choice, reason=reason, confidence=round(min(1.0, confidence), 4), features=features)
