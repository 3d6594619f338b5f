"""A small world with something to learn in it: of everyday things a cheap model knows nearly as much as a dear one."""

from __future__ import annotations

import random
from decimal import Decimal

from learning.outcomes import Outcome

HARD = ("integral", "theorem", "proof", "derivative", "manifold", "topology")
EASY = ("apples", "pears", "coins", "chairs", "pencils", "cups")


def question(number: int, *, hard: bool) -> str:
    """A question that no other number has; hard and easy ones share their form and not their words."""
    dice = random.Random(number)
    words = [dice.choice(HARD if hard else EASY) for _ in range(3)]
    return (
        f"Question {number:05}: what do {words[0]}, {words[1]} and {words[2]} come to, by {dice.randrange(100, 1000)}?"
    )


def outcomes(count: int, *, first: int = 0, share_hard: float = 0.5, flipped: bool = False) -> list[Outcome]:
    """What two models made of so many questions; `flipped`: the cheap model is right on the hard ones instead."""
    dice = random.Random(first)
    return [_outcome(number, dice.random() < share_hard, flipped) for number in range(first, first + count)]


def _outcome(number: int, hard: bool, flipped: bool) -> Outcome:
    dice = random.Random(f"outcome {number}")
    able = hard is flipped
    return Outcome(
        id=str(number),
        question=question(number, hard=hard),
        score={"cheap": float(dice.random() < (0.9 if able else 0.1)), "dear": float(dice.random() < 0.95)},
        cost={"cheap": Decimal("0.0001"), "dear": Decimal("0.002")},
    )
