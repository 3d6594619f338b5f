"""Judging another's answer: a model can tell right from wrong as well as it would have answered itself."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from emulator.profiles import ModelProfile
from emulator.skill import Outcome, stated_confidence

_MATERIAL = re.compile(r"<answer-([0-9a-f]{16})>\n(.*?)\n</answer-\1>", re.DOTALL)
_ASKED = re.compile(r"\bscore\b", re.IGNORECASE)
_CONFIDENCE = re.compile(r"^\W*confidence\b.*$", re.IGNORECASE | re.MULTILINE)


def answer_to_judge(prompt: str, instruction: str) -> str | None:
    """The answer between marks that `instruction` wants a score of; None where nothing is to be judged."""
    found = _MATERIAL.search(prompt) if _ASKED.search(instruction) else None
    return None if found is None else found[2]


def score_answer(
    profile: ModelProfile, outcome: Outcome, judged: str, right: Iterable[str], draws: random.Random
) -> float:
    """The judge's score of `judged`: from 1 where it is sure that this is right to 0 where it is sure of the contrary.

    `outcome` is how it does on the question itself. Where it would get that right it agrees with what is one of
    `right` and disagrees with all else; where it would err, the other way round. Without confidence it says 0.5.
    """
    is_right = _plain(judged) in {_plain(text) for text in right}
    certainty = stated_confidence(profile, outcome, draws)
    return (1 + certainty if is_right == outcome.right else 1 - certainty) / 2


def _plain(text: str) -> str:
    return " ".join(_CONFIDENCE.sub("", text).split()).strip(" .,;:!?\"'`*_").casefold()
