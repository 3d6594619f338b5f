"""The gate `schema`: whether the answer fits a JSON Schema."""

from __future__ import annotations

from mirepoix.spec.gates import Schema
from pipelines.answers import Unfit, read_answer
from pipelines.gates.seen import Score, Tier

SHOWN = 200


def score_schema(gate: Schema, tier: Tier) -> Score:
    """Whether the answer is, or has in its text, the JSON that fits, as a call with that schema reads it."""
    read = read_answer(tier.answer, gate.of)
    if isinstance(read, Unfit):
        return Score(0.0, f"{read.flaws[0].where}: {read.flaws[0].what}"[:SHOWN])
    return Score(1.0, "it fits the schema")
