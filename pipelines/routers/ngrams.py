"""Texts as sparse vectors of their words and of pieces of their words, weighted by how rare they are (TF-IDF).

Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval". Pieces of three to five characters
within words let inflections and typing errors be alike. No model, no download; it knows spelling, not meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from math import log, sqrt

MOST = 20_000
"""Characters of a text that are looked at."""
SIZES = (3, 4, 5)
WORD_WEIGHT = 2.0
WORD = re.compile(r"\w+")
Vector = dict[str, float]


class NGrams:
    """Examples, indexed by their pieces."""

    def __init__(self, examples: tuple[str, ...]) -> None:
        counted = [Counter(_pieces(example)) for example in examples]
        spread = Counter(piece for counts in counted for piece in counts)
        self._idf = {piece: log((1 + len(examples)) / (1 + number)) + 1 for piece, number in spread.items()}
        self._unseen = log(1 + len(examples)) + 1
        self._vectors = [self._weighted(counts) for counts in counted]

    def similarities(self, text: str) -> list[float]:
        """The cosine between `text` and each example, 0..1."""
        own = self._weighted(Counter(_pieces(text)))
        return [sum(weight * own.get(piece, 0.0) for piece, weight in vector.items()) for vector in self._vectors]

    def _weighted(self, counts: Counter[str]) -> Vector:
        weights = {
            piece: (1 + log(number)) * self._idf.get(piece, self._unseen) * (WORD_WEIGHT if piece[0] == "=" else 1.0)
            for piece, number in counts.items()
        }
        length = sqrt(sum(weight * weight for weight in weights.values()))
        return {piece: weight / length for piece, weight in weights.items()}


def _pieces(text: str) -> Iterator[str]:
    """Words as `=word`, and pieces of `<word>`."""
    for word in WORD.findall(unicodedata.normalize("NFKC", text[:MOST]).casefold()):
        yield f"={word}"
        edged = f"<{word}>"
        for size in SIZES:
            for start in range(len(edged) - size + 1):
                yield edged[start : start + size]
