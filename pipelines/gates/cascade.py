"""Decide after each tier of a cascade: its answer stands, or the next one is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mirepoix.spec import Accept
from mirepoix.views import Decision
from pipelines.gates.quality import judge


@dataclass(frozen=True, slots=True)
class Tier:
    """How a tier of a cascade ended: with an answer, or with an error."""

    answer: JsonValue = None
    finish_reason: str | None = None
    error: str | None = None


def decide_cascade(accept: Accept, tiers: Sequence[Tier], *, more: bool) -> tuple[int | None, Decision]:
    """The index of the tier whose answer stands, and why; None to ask the next tier, or when no tier answered.

    `tiers` are those asked so far, `more` says whether there is another. The last tier's answer stands whatever its
    score; when it gave none, the best of the earlier ones does.
    """
    asked = len(tiers) - 1
    if tiers[asked].error is not None:
        return _without_answer(accept, tiers, more=more)
    quality = judge(tiers[asked].answer, tiers[asked].finish_reason)
    good = quality.score >= accept.at_least
    relation = "reaches" if good else "is below"
    ending = "" if good or more else "; there is no further tier"
    decision = Decision(
        choice="escalate" if more and not good else "accept",
        reason=f"quality {quality.score:.2f} {relation} {accept.at_least:.2f}: {quality.reason}{ending}",
        confidence=quality.score,
        features={"tier": asked, "score": quality.score, "at_least": accept.at_least, **quality.features},
    )
    return (None if more and not good else asked), decision


def _without_answer(accept: Accept, tiers: Sequence[Tier], *, more: bool) -> tuple[int | None, Decision]:
    features = {"tier": len(tiers) - 1, "at_least": accept.at_least, "error": tiers[-1].error}
    if more:
        reason = f"tier {len(tiers) - 1} gave no answer: {tiers[-1].error}"
        return None, Decision(choice="escalate", reason=reason, confidence=0.0, features=features)
    scores = {
        index: judge(tier.answer, tier.finish_reason).score for index, tier in enumerate(tiers) if tier.error is None
    }
    if not scores:
        return None, Decision(choice="fail", reason="no tier gave an answer", confidence=0.0, features=features)
    best = max(scores, key=lambda index: scores[index])
    reason = f"tier {len(tiers) - 1} gave no answer ({tiers[-1].error}); of the others tier {best} is best"
    return best, Decision(
        choice="accept", reason=reason, confidence=scores[best], features=features | {"accepted": best}
    )
