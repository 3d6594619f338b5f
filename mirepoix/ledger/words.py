"""Texts as words, the same way for what is searched and for what is searched for, on every database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from pydantic import JsonValue

MOST_CHARACTERS = 40_000
"""Of an input and of an output; what stands behind is not found."""
LONGEST_WORD = 64
MOST_TERMS = 32
WORD = re.compile(r"[^\W_]+")
TERM = re.compile(r'"([^"]*)"?|(\S+)')


def words_of(value: JsonValue) -> str:
    """The words of all texts and numbers in `value`, in plain form, with a space between two."""
    taken, room = [], MOST_CHARACTERS
    for text in _texts(value):
        taken.append(" ".join(_plain_words(text[:room])))
        room -= len(text)
        if room <= 0:
            break
    return " ".join(taken)


def terms_of(query: str) -> list[str]:
    """What a person looks for: each term is a word, or, in double quotes, words that stand side by side.

    Anything else in `query` says nothing; so no query is ill-formed.
    """
    found = (" ".join(_plain_words(quoted or plain)) for quoted, plain in TERM.findall(query[:MOST_CHARACTERS]))
    return [term for term in found if term][:MOST_TERMS]


def _plain_words(text: str) -> Iterator[str]:
    """Letters and digits without case and accents. What is longer than any word (base64) is cut."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in folded if not unicodedata.combining(character))
    return (word[:LONGEST_WORD] for word in WORD.findall(bare))


def _texts(value: JsonValue) -> Iterator[str]:
    """The texts in `value` in the order in which they stand; keys are the form, not the text."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        elif value is not None and not isinstance(value, bool):
            yield str(value)
