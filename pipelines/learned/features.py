"""A text as numbers that a linear model can weigh: hashed words, pairs of words and pieces of words.

Weinberger et al. 2009, "Feature hashing for large scale multitask learning": no vocabulary to store, and a text of any
language or length maps to the same buckets on every machine (CRC-32).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 15
MOST = 8_000
"""Characters of a text that are looked at: its beginning and its end."""
TOKEN = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]")


def hashed(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets of `text`, and a weight for each: 1 + log of how often, scaled to length 1."""
    buckets = np.fromiter((crc32(piece.encode()) % BUCKETS for piece in _pieces(_shortened(text))), np.int64)
    found, counts = np.unique(buckets, return_counts=True)
    weights = (1 + np.log(counts)).astype(np.float32)
    return found, weights / max(float(np.linalg.norm(weights)), 1e-9)


def _shortened(text: str) -> str:
    return text if len(text) <= MOST else text[: MOST // 2] + text[-MOST // 2 :]


def _pieces(text: str) -> Iterator[str]:
    words = TOKEN.findall(text.lower())
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
