"""The one HTTP call that everybody makes."""

from __future__ import annotations

from typing import Any

from bench.provider import ANSWER, MODEL

PROMPT = "What is 2 + 2?"
MAX_TOKENS = 16
BODY = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_completion_tokens": MAX_TOKENS}
HEADERS = {"authorization": "Bearer bench"}
TIMEOUT = 120.0


def answer_in(completion: dict[str, Any]) -> str:
    """The text of a completion; raises ValueError where it is not the one that the provider gives."""
    text = str(completion["choices"][0]["message"]["content"])
    if text != ANSWER:
        raise ValueError(f"the provider answers {ANSWER!r}, not {text!r}")
    return text
