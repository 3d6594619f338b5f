"""Outcomes of which the best way of asking is known."""

from __future__ import annotations

import random
from decimal import Decimal

from learning.outcomes import Outcome

COST = {"one": Decimal(1), "two": Decimal(1), "strong": Decimal(20)}


def made(pred: dict[str, str], right: str = "yes", question: str = "Which?") -> Outcome:
    """An outcome in which models said this."""
    return Outcome(
        id="q",
        question=question,
        score={model: float(said == right) for model, said in pred.items()},
        pred=pred,
        answer=right,
        cost={model: COST[model] for model in pred},
    )


def outcomes_where_cheap_models_err_apart(count: int, seed: int = 0) -> list[Outcome]:
    """Two cheap models that are right when they agree, and a dear one that is right nearly always.

    On easy questions, which say so, both are right; on hard ones both err, each in a way of its own.
    """
    dice = random.Random(seed)
    outcomes = []
    for _ in range(count):
        hard = dice.random() < 0.3
        cheap = [f"wrong {dice.random()}" if hard else "yes" for _ in range(2)]
        strong = "yes" if dice.random() < 0.97 else f"wrong {dice.random()}"
        words = " ".join(dice.choices(["prove", "integral"] if hard else ["add", "count"], k=6))
        outcomes.append(made({"one": cheap[0], "two": cheap[1], "strong": strong}, question=f"Please {words}."))
    return outcomes
