"""How many tokens a call may use, before anybody knows."""

from __future__ import annotations

from tasks.providers.base import Question

BYTES_A_TOKEN = 3
"""Fewer than the 4 of English prose: code, digits and Chinese take more tokens, and an estimate too low lets a call out
that the provider refuses. What was too much is given back when the call is settled."""
FRAME = 16
"""For the roles and marks around the messages."""


def most_tokens(question: Question) -> int:
    """The tokens of the prompt, roughly, and all those that the model may answer."""
    texts = (*(turn.text for turn in question.turns), question.system or "")
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return FRAME + -(-size // BYTES_A_TOKEN) + question.max_tokens
