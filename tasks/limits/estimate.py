"""How many tokens a call may use, before anybody knows."""

from __future__ import annotations

import json

from tasks.providers.base import File, Question

BYTES_A_TOKEN = 3
"""Fewer than the 4 of English prose: code, digits and Chinese take more tokens, and an estimate too low lets a call out
that the provider refuses. What was too much is given back when the call is settled."""
FRAME = 16
"""For the roles and marks around the messages."""
PICTURE = 1_600
"""The most that Anthropic counts for one (docs: vision); OpenAI and Gemini count less."""
BYTES_A_PAGE_TOKEN = 20
"""A PDF's page of 30 to 60 kB counts as 1,500 to 3,000 tokens (Anthropic docs: PDF support)."""


def most_tokens(question: Question) -> int:
    """The tokens of the prompt, roughly, and all those that the model may answer."""
    texts = [*(turn.written for turn in question.turns), question.system or ""]
    texts += [json.dumps(tool.parameters) + tool.description for tool in question.tools]
    texts += [] if question.schema is None else [json.dumps(question.schema)]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    files = sum(_most_file_tokens(file) for turn in question.turns for file in turn.files)
    return FRAME + -(-size // BYTES_A_TOKEN) + files + question.max_tokens


def _most_file_tokens(file: File) -> int:
    """A picture costs by its size in pixels, up to a bound; a document by its text, and by a picture of each page."""
    if file.media_type.startswith("image/") or file.data is None:
        return PICTURE
    size = len(file.data) * 3 // 4
    return (
        -(-size // BYTES_A_TOKEN) if file.media_type.startswith("text/") else max(PICTURE, size // BYTES_A_PAGE_TOKEN)
    )
