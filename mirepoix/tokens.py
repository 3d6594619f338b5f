"""How many tokens a text is, roughly, where no provider has counted them."""

from __future__ import annotations

BYTES_A_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """Four bytes of UTF-8 a token, rounded up; what is recorded of it is marked as estimated."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)
