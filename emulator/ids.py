"""Identifiers in the providers' styles; unique rather than repeatable, as a client may key on them."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str, length: int) -> str:
    """`prefix` and `length` random letters and digits."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))
