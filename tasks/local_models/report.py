"""A report on a document that must not leave the house: read, summed up and rated by local models alone."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tasks.local_models.sentiment import rate
from tasks.local_models.summary import summarise

NO_TEXT = "There is no text."


class Report(BaseModel):
    """What a reader wants to know; also the `schema` that a report of a remote model has to fit.

    `sentiment` is from -1, hostile, to 1, friendly. `confidence` (0..1): how sure the text is what stands on the page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = Field(min_length=1)
    sentiment: float = Field(ge=-1, le=1)
    key_points: list[str] = Field(max_length=10)
    confidence: float = Field(ge=0, le=1)


class Pages(BaseModel):
    """What `ocr.read_pages` gives."""

    text: str
    pages: int
    confidence: float


def report(prompt: str) -> JsonValue:
    """A `Report` on a text, or on what `ocr.read_pages` gave, as JSON; of a plain text one is sure."""
    try:
        read = Pages.model_validate_json(prompt)
    except ValidationError:
        read = Pages(text=prompt, pages=1, confidence=1.0)
    found, mood = summarise(read.text), rate(read.text)
    if not isinstance(found, dict) or not isinstance(mood, dict):
        raise TypeError("the local models gave no objects.")
    summary = found["summary"] or NO_TEXT
    whole = Report.model_validate(
        {**found, "summary": summary, "sentiment": mood["sentiment"], "confidence": read.confidence}
    )
    return whole.model_dump()
