"""The gates that read the answer's own words: refusal, hedging, cut short, length, stated confidence."""

from __future__ import annotations

from mirepoix.spec.gates import Gate, Length
from pipelines.gates.quality import CUT_SHORT, HEDGING, HEDGING_COSTS, REFUSAL, stated_confidence
from pipelines.gates.seen import Score, Tier


def score_refusal(gate: Gate, tier: Tier) -> Score:
    """0 for an answer that declines to be one."""
    refused = REFUSAL.search(tier.text)
    return Score(0.0, "it declines to answer") if refused else Score(1.0, "no refusal seen")


def score_hedging(gate: Gate, tier: Tier) -> Score:
    """1, less 0.15 for each phrase that takes back what it says."""
    hedges = len(HEDGING.findall(tier.text))
    return Score(round(max(0.0, 1 - HEDGING_COSTS * hedges), 4), f"{hedges} hedging phrase(s)")


def score_complete(gate: Gate, tier: Tier) -> Score:
    """0 for an answer that the provider cut short."""
    if tier.finish_reason in CUT_SHORT:
        return Score(0.0, f"cut short ({tier.finish_reason})")
    return Score(1.0, "not cut short")


def score_length(gate: Length, tier: Tier) -> Score:
    """Whether the answer is as long as it should be."""
    words, characters = len(tier.text.split()), len(tier.text)
    for unit, count, least, most in (
        ("words", words, gate.min_words, gate.max_words),
        ("characters", characters, gate.min_characters, gate.max_characters),
    ):
        if least is not None and count < least:
            return Score(0.0, f"{count} {unit}, fewer than {least}")
        if most is not None and count > most:
            return Score(0.0, f"{count} {unit}, more than {most}")
    return Score(1.0, f"{words} words, {characters} characters")


def score_confidence(gate: Gate, tier: Tier) -> Score:
    """What the model says of its own confidence."""
    said = stated_confidence(tier.answer)
    return Score(said, "no confidence stated" if said is None else "the model's own word")
