"""How a text feels: VADER, a lexicon of rated words with rules for negation and emphasis (Hutto and Gilbert, 2014)."""

from __future__ import annotations

import re
from functools import cache

from pydantic import JsonValue
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def rate(text: str) -> JsonValue:
    """`{"sentiment": -1..1, "sentences": n}`: the mean over the sentences of `text`, 0 where none says anything."""
    sentences = [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]
    scores = [float(_analyzer().polarity_scores(sentence)["compound"]) for sentence in sentences]
    return {"sentiment": round(sum(scores) / len(scores), 3) if scores else 0.0, "sentences": len(sentences)}


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()
