"""In-process models for the tests of ensembles: judges and aggregators that read what they are really shown."""

from __future__ import annotations

import re

SHOWN = re.compile(r"^(#[0-9a-f]{16}) answer (\d+)\n(.*?)\n\1 end of answer \2$", re.DOTALL | re.MULTILINE)


def longest(prompt: str) -> str:
    """A judge that likes long answers."""
    return str(max(SHOWN.findall(prompt), key=lambda block: len(block[2]))[1])


def babble(prompt: str) -> str:
    """A judge that cannot make up its mind."""
    return f"All {len(SHOWN.findall(prompt))} are fine, but 1 more than 2."


def join(prompt: str) -> str:
    """An aggregator that keeps everything, in the order of the alphabet."""
    return " + ".join(sorted(block[2] for block in SHOWN.findall(prompt)))
