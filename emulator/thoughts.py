"""How much a model thinks before it says something, where it is asked to."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 64
PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Thinking:
    """The wish that the model thinks: at most `budget` tokens (None: as many as it likes), and `shown` or not."""

    budget: int | None = None
    shown: bool = False


def count_thoughts(thinking: Thinking | None, answer_tokens: int, max_tokens: int | None) -> int:
    """The tokens of its thoughts: four for each token of the answer, 64 at least, and no more than it may.

    They count against `max_tokens`, which can leave nothing for the answer.
    """
    if thinking is None:
        return 0
    limits = [limit for limit in (thinking.budget, max_tokens) if limit is not None]
    return min([max(LEAST, PER_TOKEN * answer_tokens), *limits])
