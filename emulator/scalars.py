"""Strings, numbers and truth values that fit a JSON schema and say something about the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from emulator.answers import Answer
from emulator.bounds import Bounds, UnusableSchema

MAX_LENGTH = 100_000
PERCENT = 100
TITLE_WORDS = 6
_ANSWERING = re.compile(r"answer|result|response|reply|label|choice|verdict|conclusion|class|task|type|category")
_ASKING = re.compile(r"question|query|input|prompt")
_CONFIDENCE = re.compile(r"confidence|certainty|probability")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FORMATS = {
    "date": "2026-01-{day:02}",
    "date-time": "2026-01-{day:02}T12:00:00Z",
    "time": "12:00:{day:02}Z",
    "duration": "P{day}D",
    "email": "reader{day}@example.com",
    "hostname": "host{day}.example.com",
    "ipv4": "192.0.2.{day}",
    "ipv6": "2001:db8::{day}",
    "uri": "https://example.com/{day}",
    "uuid": "00000000-0000-4000-8000-{day:012}",
}
_PATTERNED = (
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "a",
    "abc",
    "A",
    "ABC",
    "ABC-123",
    "2026-01-01",
    "12:00",
    "1.0",
    "#aabbcc",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its property's name, its index in the list around it, and how deep."""

    name: str = ""
    index: int = 0
    depth: int = 0

    def below(self, name: str | None = None, index: int | None = None) -> Place:
        """The place of a property or an item of the value at this place."""
        return Place(self.name if name is None else name, self.index if index is None else index, self.depth + 1)


@dataclass(frozen=True, slots=True)
class Filling:
    """What values are made of: the answer, and `luck` (0..1) where the answer says nothing."""

    answer: Answer
    luck: float

    def string(self, schema: Mapping[str, Any], place: Place) -> str:
        """A text for this place, cut or repeated to the schema's length."""
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", MAX_LENGTH)
        if shortest > min(longest, MAX_LENGTH):
            raise UnusableSchema(f"minLength {shortest} cannot be met.")
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]].format(day=place.index % 28 + 1)
        texts = [self._text(place)]
        if "pattern" in schema:
            texts = [text for text in (*texts, *_PATTERNED) if re.search(schema["pattern"], text)]
            texts = [text for text in texts if shortest <= len(text) <= longest]
            if not texts:
                raise UnusableSchema(f"the emulator finds no text for pattern {schema['pattern']!r}.")
            return texts[min(place.index, len(texts) - 1)]
        text = texts[0] or "-"
        return (text * math.ceil(shortest / len(text)) if len(text) < shortest else text)[:longest]

    def integer(self, schema: Mapping[str, Any], place: Place) -> int:
        """A whole number within the schema's bounds: the answer's own where it fits."""
        bounds, step = Bounds.of(schema), Fraction(str(schema.get("multipleOf", 1))).numerator
        said = self._number(place, in_percent=bounds.high is None or bounds.high >= PERCENT)
        if said is not None and said % step == 0 and bounds.hold(said):
            return int(said)
        return bounds.pick_whole(step, self.luck, place.index)

    def number(self, schema: Mapping[str, Any], place: Place) -> float:
        """A number within the schema's bounds; a confidence is the one the model states."""
        bounds = Bounds.of(schema)
        if "multipleOf" in schema:
            return self._multiple(schema["multipleOf"], bounds, place)
        said = self._number(place, in_percent=bounds.high is not None and bounds.high >= PERCENT)
        return float(said if said is not None and bounds.hold(said) else bounds.pick(self.luck, place.index))

    def boolean(self, place: Place) -> bool:
        """What the answer says where it says yes or no."""
        said = self.answer.text.strip(" .!").casefold()
        yes = said in ("yes", "true") or (said not in ("no", "false") and self.luck >= 0.5)
        return yes ^ (place.index % 2 == 1)

    def choice(self, options: list[Any], place: Place) -> Any:
        """The option that the answer is, or names; else any."""
        said = self.answer.text.casefold()
        words = [str(option).casefold() for option in options]
        named = [position for position, word in enumerate(words) if word and word in said]
        start = words.index(said) if said in words else named[0] if named else int(self.luck * len(options))
        return options[(start + place.index) % len(options)]

    def _multiple(self, step: float, bounds: Bounds, place: Place) -> float:
        """A multiple that is one in floating point too: to a validator, 0.3 is no multiple of 0.1."""
        unit = Fraction(str(step))
        for index in range(place.index, place.index + 20):
            value = float(bounds.in_units(unit).pick_whole(1, self.luck, index) * unit)
            if (value / step).is_integer():
                return value
        raise UnusableSchema(f"the emulator finds no multiple of {step} within its bounds.")

    def _text(self, place: Place) -> str:
        name, sentences = place.name.casefold(), self.answer.sentences
        if "summary" in name or "abstract" in name:
            return " ".join(sentences) or self.answer.text
        if "title" in name:
            return " ".join((sentences[0] if sentences else self.answer.asked).split()[:TITLE_WORDS])
        if _ASKING.search(name):
            return self.answer.asked
        if not sentences or _ANSWERING.search(name):
            return _numbered(self.answer.text, place.index)
        return _numbered(sentences[place.index % len(sentences)], place.index // len(sentences))

    def _number(self, place: Place, *, in_percent: bool) -> Fraction | None:
        """The number meant here: a confidence, or the answer's own."""
        if _CONFIDENCE.search(place.name.casefold()):
            return Fraction(round(self.answer.confidence * 100), 1 if in_percent else 100)
        said = _NUMBER.fullmatch(self.answer.text.strip())
        return Fraction(said.group()) if said and place.index == 0 else None


def _numbered(text: str, repeat: int) -> str:
    return f"{text} ({repeat + 1})" if repeat else text
