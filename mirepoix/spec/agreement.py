"""When two answers are the same, and how many of them must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mirepoix.spec.reduce import Numbers, Tolerance, Vote
from mirepoix.strict import Strict

FieldName = Annotated[str, Field(min_length=1, max_length=200)]


class Fields(Tolerance):
    """Both answers are, or hold, a JSON object, and these fields of it are the same; dots lead to what lies deeper.

    Numbers are the same within the tolerance, texts without case and edge punctuation.
    """

    names: tuple[FieldName, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="before")
    @classmethod
    def _from_names(cls, data: Any) -> Any:
        """Let `fields: [city, country]` stand for `fields: {names: [city, country]}`."""
        return {"names": data} if isinstance(data, (list, tuple)) else data


class SameAs(Strict):
    """When two answers count as the same: one of these; the text when none is named."""

    text: Vote | None = None
    numbers: Numbers | None = None
    fields: Fields | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(way is not None for way in (self.text, self.numbers, self.fields)) > 1:
            raise ValueError("answers are compared in one way: text, numbers or fields.")
        return self


class Agreement(Strict):
    """`of` so many answers must be the same, in the sense of `by`."""

    of: int = Field(default=2, ge=2, le=20)
    by: SameAs = SameAs()

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, data: Any) -> Any:
        """Let `agreement: 2` stand for `agreement: {of: 2}`."""
        return {"of": data} if isinstance(data, int) and not isinstance(data, bool) else data
