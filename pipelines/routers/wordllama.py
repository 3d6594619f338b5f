"""Embeddings by WordLlama: static vectors of 256 dimensions that come with the package, so nothing is downloaded.

The extra `mirepoix[semantic]` installs it; `embeddings: wordllama` uses it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirepoix.errors import PipelineError

MOST = 20_000
"""Characters of a text that are looked at."""


def embed(texts: list[str]) -> list[list[float]]:
    """A vector for each of `texts`; raises PipelineError where the package is not installed."""
    vectors: list[list[float]] = _model().embed([text[:MOST] for text in texts]).tolist()
    return vectors


@cache
def _model() -> Any:
    """Read from the package's own folder: left alone, it looks for its tokenizer on a hub."""
    found = find_spec("wordllama")
    if found is None or found.origin is None:
        raise PipelineError("embeddings: wordllama needs the package: pip install 'mirepoix[semantic]'.")
    from wordllama import WordLlama

    return WordLlama.load(cache_dir=Path(found.origin).parent, disable_download=True)
