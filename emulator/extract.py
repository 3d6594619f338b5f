"""Answers made of the prompt's own words: the sentences that are most central to a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

MAX_SENTENCE = 300
LONG_LINE = 60  # scanned text often has no full stops; a heading is shorter
_BOUNDARY = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n")
_WORD = re.compile(r"\w{4,}")
_INSTRUCTION = re.compile(
    r"(summari[sz]e|write|list|give|extract|explain|answer|describe|return|state|you are)\b", re.IGNORECASE
)
_ENDS = (".", "!", "\u3002", "\uff01")  # the last two are the full-width full stop and exclamation mark


def statements(text: str) -> list[str]:
    """The sentences of `text` that state something: no headings, questions or instructions."""
    sentences = (part.strip() for part in _BOUNDARY.split(text))
    return [sentence[:MAX_SENTENCE] for sentence in sentences if _states(sentence)]


def most_central(sentences: Sequence[str], count: int) -> list[str]:
    """The `count` sentences whose longer words are the most frequent in all of them, in the text's order.

    A sentence scores the mean frequency of its words of four letters or more (SumBasic without redundancy
    control).
    """
    frequency = Counter(word for sentence in sentences for word in _long_words(sentence))
    scores = [_mean([frequency[word] for word in _long_words(sentence)]) for sentence in sentences]
    best = sorted(range(len(sentences)), key=lambda index: (-scores[index], index))[:count]
    return [sentences[index] for index in sorted(best)]


def _states(sentence: str) -> bool:
    unpunctuated = len(sentence) >= LONG_LINE and not sentence.endswith((":", "?", "\uff1f"))
    return (sentence.endswith(_ENDS) or unpunctuated) and not _INSTRUCTION.match(sentence)


def _long_words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.casefold())


def _mean(numbers: Sequence[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
