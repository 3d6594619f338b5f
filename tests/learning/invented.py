"""Outcomes with a structure that is known: whom a question's kind suits, and how sure that is."""

from __future__ import annotations

import random

from learning.outcomes import Outcome

MODELS = ("mini", "large")
CHANCES = {"sums": (0.2, 0.9), "capitals": (0.9, 0.92), "rhymes": (0.6, 0.6)}
"""By kind of question, the chance that each model is right."""
WORDS = {
    "sums": "add subtract multiply divide total remainder apples minutes",
    "capitals": "capital city country river border largest population flag",
    "rhymes": "rhyme poem verse stanza word line ballad metre",
}


def invent(number: int, *, seed: int, tasks: bool = True) -> list[Outcome]:
    """So many outcomes of questions of all kinds, each made of some of its kind's words."""
    source = random.Random(seed)
    outcomes = []
    for index in range(number):
        kind = source.choice(sorted(CHANCES))
        words = source.choices(WORDS[kind].split(), k=8)
        score = {model: float(source.random() < chance) for model, chance in zip(MODELS, CHANCES[kind], strict=True)}
        question = f"Please tell me, number {source.randrange(100)}: {' '.join(words)}?"
        outcomes.append(Outcome(f"{kind}-{index}", question, score, task=kind if tasks else None))
    return outcomes


def kind_of(outcome: Outcome) -> str:
    """The kind of an invented question."""
    return outcome.id.partition("-")[0]
