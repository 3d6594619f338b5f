"""Two in-process models to route between; each says who it is."""

from __future__ import annotations


def cheap(prompt: str) -> str:
    """As the cheap one says it."""
    return f"cheaply: {len(prompt)}"


def dear(prompt: str) -> str:
    """As the dear one says it."""
    return f"dearly: {len(prompt)}"
