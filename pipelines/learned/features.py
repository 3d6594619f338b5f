"""A text as numbers: hashed words and pairs of words for what it is about, and a few measures of its form.

Weinberger et al. 2009, "Feature hashing for large scale multitask learning": no vocabulary to store, and a text of any
language or length falls into the same buckets on every machine (CRC-32).
"""

from __future__ import annotations

import re
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 15
PAIRING = np.uint64(0x9E3779B1)
"""An odd number that spreads a pair's first word over all bits (Knuth, multiplicative hashing)."""
MOST = 8_000
"""Characters of a text that are looked at, half of them from its end."""
TOKEN = re.compile(r"[^\W\d_]+|\d|[^\w\s]")
OPTION = re.compile(r"^\(?[A-J][.):] *(.*)$", re.MULTILINE)
"""A line that offers an answer to choose."""
WORD = re.compile(r"[^\W\d_]+")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NUMERIC_OPTION = re.compile(r"[-\d.,$%\s]+")
SIGNS = (b"0123456789", b"=+*/^\\<>$%{}", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""Digits, mathematical signs and capitals."""
SIGN = np.zeros(256, np.int64)
"""By byte, which of `SIGNS` it is among, from 1; 0: none."""
for _number, _signs in enumerate(SIGNS, start=1):
    SIGN[list(_signs)] = _number
NEGATIONS = frozenset(["not", "except", "never", "no", "false", "incorrect"])
GENERALITIES = frozenset(["all", "none", "both", "neither", "only", "every"])
QUANTITIES = frozenset(
    [
        "times",
        "half",
        "twice",
        "percent",
        "each",
        "per",
        "total",
        "more",
        "less",
        "than",
        "remaining",
        "left",
        "average",
    ]
)
MARKS = ("\n", ". ", ",", "?", "__")
FORM = (
    "characters",
    "characters before the options",
    "words",
    "letters of a word",
    "options",
    "characters of an option",
    "numbers",
    "lines",
    "sentences",
    "commas",
    "question marks",
    "blanks to fill in",
    "negations",
    "generalities",
    "quantities",
    "share of words that differ",
    "share of options that are numbers",
    "share of digits",
    "share of mathematical signs",
    "share of capitals",
)
"""What `form` measures, in order."""


def looked_at(text: str) -> str:
    """The part of `text` that features are made of, without halves of characters (surrogates)."""
    part = text if len(text) <= MOST else text[: MOST // 2] + text[-MOST // 2 :]
    return part.encode("utf-8", "replace").decode()


def hashed(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets of words and pairs of words of `text`, rising, and 1 + log of how often each occurs."""
    tokens = TOKEN.findall(looked_at(text).lower())
    words = np.fromiter(map(crc32, map(str.encode, tokens)), np.uint64, len(tokens))
    pairs = (words[:-1] * PAIRING ^ words[1:]) >> np.uint64(7)
    found, counts = np.unique(np.concatenate([words, pairs]) % np.uint64(BUCKETS), return_counts=True)
    return found.astype(np.int64), (1 + np.log(counts)).astype(np.float32)


def form(text: str) -> NDArray[np.float32]:
    """The measures that `FORM` names; what is counted as log(1 + n), shares as they are."""
    text = looked_at(text)
    words = WORD.findall(text.lower())
    options = OPTION.findall(text)
    number, offered = max(len(words), 1), max(len(options), 1)
    first = OPTION.search(text)
    signs = np.bincount(SIGN[np.frombuffer(text.encode(), np.uint8)], minlength=len(SIGNS) + 1)[1:]
    counts = [
        len(text),
        first.start() if first else len(text),
        len(words),
        sum(map(len, words)) / number,
        len(options),
        sum(map(len, options)) / offered,
        len(NUMBER.findall(text)),
        *(text.count(mark) for mark in MARKS),
        *(sum(map(known.__contains__, words)) for known in (NEGATIONS, GENERALITIES, QUANTITIES)),
    ]
    shares = [
        len(set(words)) / number,
        sum(NUMERIC_OPTION.fullmatch(option) is not None for option in options) / offered,
        *(signs / max(len(text), 1)),
    ]
    return np.concatenate([np.log1p(counts), shares]).astype(np.float32)
