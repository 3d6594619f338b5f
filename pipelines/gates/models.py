"""The gates that models have a say in: token log-probabilities, agreement of tiers, samples, a judge."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mirepoix.spec.gates import Consistency, Gate, Judge
from pipelines.gates.judgement import read_judgement
from pipelines.gates.seen import Score, Tier
from pipelines.reducers import normalise

ON_ERROR = {"escalate": (0.0, True), "accept": (1.0, False), "ignore": (None, False)}
"""The score, and whether it is a veto, of a gate that broke."""


def broken(on_error: str, reason: str) -> Score:
    """What a gate that should have said something and did not means."""
    value, veto = ON_ERROR[on_error]
    return Score(value, reason, veto=veto)


def score_logprob(gate: Gate, tier: Tier) -> Score:
    """The geometric mean of the probabilities of the answer's tokens: e to the power of their mean logarithm."""
    if tier.logprob is None:
        return Score(None, "the provider tells no token log-probabilities")
    return Score(round(min(1.0, math.exp(tier.logprob)), 4), f"mean token log-probability {tier.logprob:.3f}")


def score_agreement(gate: Gate, tier: Tier, earlier: Sequence[Tier]) -> Score:
    """1 when the tier before it says the same, 0 when it says something else."""
    before = next((other for other in reversed(earlier) if other.error is None and not other.empty), None)
    if before is None:
        return Score(None, "no earlier answer to compare with")
    same = normalise(before.answer) == normalise(tier.answer)
    return Score(float(same), f"it says {'the same as' if same else 'something else than'} the tier before it")


def score_consistency(gate: Consistency, tier: Tier) -> Score:
    """The share of all samples, the tier's own answer among them, that say what the tier says."""
    answered = [sample for sample in tier.samples or () if sample.error is None]
    if not answered:
        return Score(None, "none of the further samples answered")
    said = normalise(tier.answer)
    agreeing = 1 + sum(normalise(sample.answer) == said for sample in answered)
    failed = len(tier.samples or ()) - len(answered)
    note = f"; {failed} gave no answer" if failed else ""
    return Score(round(agreeing / (1 + len(answered)), 4), f"{agreeing} of {1 + len(answered)} samples agree{note}")


def score_judge(gate: Judge, tier: Tier) -> Score:
    """What the judge says of the answer; one that fails or answers nonsense means what `on_error` says."""
    heard = tier.judge
    if heard is None or heard.error is not None:
        return broken(gate.on_error, f"the judge {gate.model} gave no answer: {heard.error if heard else 'not asked'}")
    judgement = read_judgement(heard.answer)
    if judgement is None:
        return broken(gate.on_error, f"the judge {gate.model} gave no score")
    return Score(judgement.score, f"{gate.model}: {judgement.reason}" if judgement.reason else gate.model)
