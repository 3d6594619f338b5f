"""The migrations of the ledger."""

from collections.abc import Mapping
from typing import Any

INDEX_OF_WORDS = "job_words"
"""SQLite's full-text index, and with an ending the tables that it keeps for itself."""


def is_modelled(name: str | None, kind: str, parents: Mapping[Any, str | None]) -> bool:
    """Whether a table or index of the database is one that the models know of: all but the full-text indexes."""
    return not (name == "ix_job_texts_words" or (name or "").startswith(INDEX_OF_WORDS))
