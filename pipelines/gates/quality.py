"""Is this answer good enough? A quality score, 0..1, from the answer's own text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

HEDGING_COSTS = 0.15
TRUNCATED_KEEPS = 0.5
CUT_SHORT = ("length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded")

REFUSAL = re.compile(
    r"\b(i (?:can(?:no|')t|am unable to|am not able to|won't) (?:help|answer|assist|provide|do|comply)|"
    r"as an ai(?: language model)?|i(?:'m| am) sorry,? but|i must decline|cannot fulfil+ (?:this|that|your) request)\b",
    re.IGNORECASE,
)
HEDGING = re.compile(
    r"\b(i(?:'m| am) not (?:sure|certain)|i (?:think|believe|guess)|not entirely (?:sure|certain)|"
    r"hard to say|might be|may be|possibly|perhaps|probably|it depends|i don'?t know|unclear)\b",
    re.IGNORECASE,
)
CONFIDENCE = re.compile(
    r"^[^\w\n]*confidence[^\w\n]*[:=][^\w\n]*(\d{1,3}(?:[.,]\d+)?)[^\S\n]*(%?)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Quality:
    """The score and what it is made of. `confidence` is what the model said of itself, or None."""

    score: float
    reason: str
    features: dict[str, JsonValue]


def judge(answer: JsonValue, finish_reason: str | None) -> Quality:
    """Score `answer`: 0 when empty or a refusal; else what the model says of itself (1 if nothing), less for hedging.

    An answer that was cut short keeps half. `finish_reason` is the provider's word for why the answer ended.
    """
    text = answer if isinstance(answer, str) else "" if answer is None else str(answer)
    empty = not text.strip()
    refusal = bool(REFUSAL.search(text))
    hedges = len(HEDGING.findall(text))
    truncated = finish_reason in CUT_SHORT
    confidence = stated_confidence(answer)
    score = 0.0 if empty or refusal else (1.0 if confidence is None else confidence)
    score *= max(0.0, 1 - HEDGING_COSTS * hedges) * (TRUNCATED_KEEPS if truncated else 1.0)
    flaws = [
        name
        for name, there in (("empty", empty), ("a refusal", refusal), ("hedging", hedges > 0), ("cut short", truncated))
        if there
    ]
    said = f"the model's own confidence is {confidence:.2f}" if confidence is not None else "no confidence stated"
    features: dict[str, JsonValue] = {
        "empty": empty,
        "refusal": refusal,
        "hedges": hedges,
        "truncated": truncated,
        "confidence": confidence,
    }
    return Quality(round(score, 4), f"{said}; {', '.join(flaws) or 'no flaw seen'}", features)


def stated_confidence(answer: JsonValue) -> float | None:
    """What the model said of its own confidence, 0..1: a line `Confidence: 0.85` (or 85 %), or a field of that name."""
    if isinstance(answer, dict):
        value = answer.get("confidence")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if 0 <= value <= 1 else None
    found = CONFIDENCE.findall(answer) if isinstance(answer, str) else []
    if not found:
        return None
    digits, percent = found[-1]
    number = float(digits.replace(",", "."))
    number = number / 100 if percent or number > 1 else number
    return number if number <= 1 else None
