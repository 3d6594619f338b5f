"""In-process models for the system tests."""

from __future__ import annotations

import time

NAP = 0.3


def sleep_and_repeat(prompt: str) -> str:
    """Answer with the prompt, after a while."""
    time.sleep(NAP)
    return prompt
