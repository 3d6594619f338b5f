"""An answer on its way: pieces of text that a worker tells while a model speaks, over Redis pub/sub.

Pieces are hints like all else there: one that is lost, or told before anybody listened, leaves a gap, and from there on
the listener waits for the end, which the ledger has whole. Nothing of them stays in the Redis.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, JsonValue, ValidationError


def text_channel(job_id: str) -> str:
    """The pub/sub channel on which the answer of a job is told."""
    return f"mirepoix.text.{job_id}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer. With `restart` what came before is void, and the answer begins anew with this piece."""

    text: str
    restart: bool = False


class Told(BaseModel):
    """What a worker tells: `text` stands `at` this character of what the attempt number `run` says."""

    run: int
    at: int = Field(ge=0)
    text: str

    def encode(self) -> bytes:
        """As it travels; lone surrogates escaped."""
        return json.dumps([self.run, self.at, self.text]).encode()


def decode(data: bytes) -> Told | None:
    """What was told; None for what nobody here says."""
    try:
        run, at, text = json.loads(data)
        return Told.model_validate({"run": run, "at": at, "text": text}, strict=True)
    except (ValueError, TypeError, RecursionError, ValidationError):
        return None


@dataclass(slots=True)
class Listening:
    """Puts together what is told: the pieces that may be passed on, and at the end what is still missing."""

    run: int = -1
    heard: list[str] = field(default_factory=list)
    length: int = 0
    gap: bool = False

    def hear(self, told: Told) -> Piece | None:
        """The piece to pass on. A newer run starts over; an older one, and what follows a gap, is not listened to."""
        if told.run < self.run:
            return None
        if told.run > self.run:
            restart = self.length > 0
            self.run, self.heard, self.length, self.gap = told.run, [], 0, told.at > 0
            return self._take(told.text, restart=restart) if not self.gap else Piece("", True) if restart else None
        if self.gap or told.at != self.length:
            self.gap = True
            return None
        return self._take(told.text)

    def end(self, output: JsonValue) -> Iterator[Piece]:
        """What is missing of the whole `output`."""
        whole = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        heard = "".join(self.heard)
        if not whole.startswith(heard):
            yield Piece(whole, restart=True)
        elif len(whole) > len(heard):
            yield Piece(whole[len(heard) :])

    def _take(self, text: str, *, restart: bool = False) -> Piece | None:
        self.heard.append(text)
        self.length += len(text)
        return Piece(text, restart) if text or restart else None
