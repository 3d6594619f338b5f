"""Sum a text up in the house: its most central sentences, word for word. Nothing is made up, and nothing is put better.

Centrality as in LexRank (Erkan and Radev, 2004) by degree: how alike a sentence is to all others, by the cosine of
their words weighted by rarity. Sentences that say nearly the same as one that was chosen are passed over (Carbonell and
Goldstein, 1998).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from pydantic import JsonValue

SUMMARY_SENTENCES = 2
KEY_POINTS = 4
MAX_SENTENCES = 400
"""The rest of a longer text is not looked at: the work grows with the square."""
LEAST_WORDS = 5
TOO_ALIKE = 0.6
SENTENCE_END = re.compile("(?<=[.!?])[\"'\u201d\u2019)]*\\s+(?=[\"'\u201c\u2018(]*[A-Z0-9])|\\n+")
WORD = re.compile(r"[^\W\d_]{3,}")

Weights = dict[str, float]


def summarise(text: str) -> JsonValue:
    """`{"summary", "key_points"}`: the two most central sentences as one text, and up to four, in the text's order."""
    sentences = central_sentences(text, KEY_POINTS)
    ranked = central_sentences(text, SUMMARY_SENTENCES)
    return {"summary": " ".join(ranked), "key_points": list[JsonValue](sentences)}


def central_sentences(text: str, most: int) -> list[str]:
    """Up to `most` sentences that stand for `text`, in its order; a text without one is its own sentence."""
    sentences = [part.strip() for part in SENTENCE_END.split(text[:1_000_000]) if part and part.strip()]
    full = [sentence for sentence in sentences if len(WORD.findall(sentence)) >= LEAST_WORDS][:MAX_SENTENCES]
    if not full:
        return sentences[:most]
    weights = _weights(full)
    degrees = [sum(_alike(one, other) for other in weights) for one in weights]
    chosen: list[int] = []
    for index in sorted(range(len(full)), key=lambda index: (-degrees[index], index)):
        if len(chosen) < most and all(_alike(weights[index], weights[other]) < TOO_ALIKE for other in chosen):
            chosen.append(index)
    return [full[index] for index in sorted(chosen)]


def _weights(sentences: Sequence[str]) -> list[Weights]:
    """Of each sentence, its words' counts times their rarity, as a vector of length one."""
    counts = [Counter(word.casefold() for word in WORD.findall(sentence)) for sentence in sentences]
    spread = Counter(word for count in counts for word in count)
    vectors = []
    for count in counts:
        vector = {word: times * (1 + math.log(len(sentences) / spread[word])) for word, times in count.items()}
        length = math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0
        vectors.append({word: weight / length for word, weight in vector.items()})
    return vectors


def _alike(one: Weights, other: Weights) -> float:
    return sum(weight * other[word] for word, weight in one.items() if word in other)
