"""Texts as every database and screen can hold them."""

from __future__ import annotations


def printable(text: str, limit: int = 2000) -> str:
    """`text` cut to `limit` characters and without what a database cannot hold."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:limit]
