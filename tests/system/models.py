"""In-process models for the system tests."""

from __future__ import annotations

import time

from pydantic import BaseModel, Field

NAP = 0.3


class Reading(BaseModel):
    """What a call may ask for by its import path."""

    mood: str = Field(pattern="^(calm|wild)$")
    waves: list[float] = Field(max_length=3)


def sleep_and_repeat(prompt: str) -> str:
    """Answer with the prompt, after a while."""
    time.sleep(NAP)
    return prompt
