"""The one HTTP call that everybody makes, and the answer to it."""

from __future__ import annotations

from typing import Any

from bench.provider import ANSWER, MODEL

PROMPT = "What is 2 + 2?"
MAX_TOKENS = 16
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": PROMPT}],
    "max_completion_tokens": MAX_TOKENS,
}
KEY = "bench"
HEADERS = {"authorization": f"Bearer {KEY}"}
TIMEOUT = 120.0


def require_answer(text: object) -> str:
    """`text` where it is what the provider answers; raises ValueError."""
    if text != ANSWER:
        raise ValueError(f"the provider answers {ANSWER!r}, not {text!r}")
    return ANSWER
