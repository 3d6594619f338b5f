"""Outcomes made up so that the right choice is known: a question's words tell how hard it is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from random import Random

from learning.outcomes import Outcome

WORDS = {True: ["prove", "derive", "integral", "theorem", "manifold"], False: ["add", "count", "name", "colour", "sum"]}
SKILL = {"small": (0.95, 0.2), "other": (0.9, 0.3), "large": (0.95, 0.9)}
"""The chance of a right answer to an easy and to a hard question."""
COST = {"small": "0.001", "other": "0.002", "large": "0.05"}


def made(count: int, seed: int) -> list[Outcome]:
    """So many questions to three models; wrong answers differ, right ones agree."""
    random = Random(seed)
    found = []
    for number in range(count):
        hard = random.random() < 0.5
        question = " ".join(random.choices(WORDS[hard], k=8))
        score = {model: float(random.random() < skill[hard]) for model, skill in SKILL.items()}
        said = {model: "42" if right else f"{model}?" for model, right in score.items()}
        cost = {model: Decimal(usd) for model, usd in COST.items()}
        found.append(Outcome(f"made-{seed}-{number}", question, score, "made", said, "42", cost))
    return found


def write(path: Path, outcomes: list[Outcome], without: str | None = None) -> Path:
    """The outcomes as a file, without one of the models if so wished."""
    lines = [
        {
            "id": one.id,
            "task": one.task,
            "question": one.question,
            "score": {m: s for m, s in one.score.items() if m != without},
            "pred": one.pred,
            "cost": {m: float(c) for m, c in one.cost.items()},
        }
        for one in outcomes
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
