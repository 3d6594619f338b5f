"""The counts that providers report, within what can be a count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, JsonValue

from mirepoix.prices import Usage
from tasks.providers.base import estimate_tokens

MOST_TOKENS = 2**31 - 1
"""What the ledger's columns hold."""

Count = Annotated[int, Field(ge=0, le=MOST_TOKENS)]


def estimated(asked: JsonValue, said: str) -> Usage:
    """The usage of an answer whose provider reports none. Pictures are left out: their base64 says nothing of them."""
    return Usage(input=estimate_tokens("\n".join(_texts(asked))), output=estimate_tokens(said), estimated=True)


def counted(
    *, prompt: int, output: int, cached: int = 0, cache_write: int = 0, cache_write_1h: int = 0, reasoning: int = 0
) -> Usage:
    """Counts of which each may be right while all together are not: parts are never more than what they are part of."""
    return Usage(
        input=max(prompt, cached + cache_write),
        output=max(output, reasoning),
        cached=cached,
        cache_write=cache_write,
        cache_write_1h=min(cache_write, cache_write_1h),
        reasoning=reasoning,
    )


def _texts(asked: JsonValue) -> Iterator[str]:
    """What stands under `content`, `parts` and `text`, at any depth."""
    if isinstance(asked, str):
        yield asked
    elif isinstance(asked, list):
        for part in asked:
            yield from _texts(part)
    elif isinstance(asked, dict):
        for key in ("content", "parts", "text"):
            if key in asked:
                yield from _texts(asked[key])
