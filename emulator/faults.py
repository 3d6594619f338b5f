"""Faults on demand: which requests they strike, drawn from the seed and the request like everything else.

A fault strikes only a request that is valid and within its limits; whatever is wrong with a request of its own is
refused as ever. Of several faults that fit, the first strikes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from emulator.bill import Entry
from emulator.draws import generator
from emulator.profiles import WireApi
from mirepoix.strict import Strict

Status = Literal[400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529]


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """The provider's own error of that HTTP status; not billed."""
    QUOTA = "quota"
    """429 because the account has no money left, which waiting does not mend; not billed."""
    DROP = "drop"
    """The connection is reset before a model sees the request; not billed."""
    HANG = "hang"
    """Nothing comes for `seconds`, then the connection is reset; no model has seen the request; not billed."""
    HTML_200 = "html_200"
    """A gateway's HTML page comes with status 200; no model has seen the request; not billed."""
    SLOW = "slow"
    """The answer comes `seconds` later than it would; billed, whether or not the client waits."""
    MALFORMED = "malformed"
    """The answer's JSON breaks off in the middle, though it is all that was announced; billed."""
    EMPTY_CHOICES = "empty_choices"
    """The answer holds no choice (OpenAI) or no content block (Anthropic); billed."""
    NO_USAGE = "no_usage"
    """The answer does not say how many tokens it took; billed."""
    DROP_MID_BODY = "drop_mid_body"
    """The connection is reset in the middle of the answer; billed."""
    BILLED_THEN_DROP = "billed_then_drop"
    """The work is done and billed, then the connection is reset with nothing sent."""
    WRONG_USAGE = "wrong_usage"
    """The tokens are counted in a text and in a negative number; billed as they are."""
    ERROR_IN_200 = "error_in_200"
    """Status 200, but the body or the first event is an error, as OpenRouter's when a model fails at work; billed."""
    RETRY_AFTER_ON_200 = "retry_after_on_200"
    """A good answer whose headers ask the client to come back in `retry_after` seconds; billed."""

    SCHEMA_VIOLATION = "schema_violation"
    """JSON that the schema asked for does not allow; billed."""
    FENCED_JSON = "fenced_json"
    """The answer stands within a Markdown fence; billed."""
    LENGTH = "length"
    """Half of the answer, cut because it is too long; billed for that half."""
    REFUSAL = "refusal"
    """The model declines; billed for what it says."""
    SAFETY_BLOCK = "safety_block"
    """The provider's filter takes the answer away; billed for the prompt."""
    TEXT = "text"
    """The model says `text`, to the letter; billed."""
    DEEP_JSON = "deep_json"
    """The model says JSON nested 100,000 deep; billed."""
    DEEP_BODY = "deep_body"
    """The answer itself, or an event, has a member nested as deep; billed."""
    INVALID_UTF8 = "invalid_utf8"
    """The text ends in bytes that are no UTF-8; billed."""
    HUGE_BODY = "huge_body"
    """The text is `size` bytes long (100 MB), made while it is sent; billed."""
    ENDLESS_STREAM = "endless_stream"
    """The text does not end before the client goes away; billed for what was sent."""

    STREAM_CUT = "stream_cut"
    """The stream ends as if it were complete, without the events that say so; billed."""
    STREAM_DROP = "stream_drop"
    """The connection is reset in the middle of the stream; billed."""
    STREAM_STALL = "stream_stall"
    """Nothing comes for `seconds` in the middle of the stream, then the rest; billed."""
    STREAM_ERROR_EVENT = "stream_error_event"
    """An error comes in the middle of the stream and ends it; billed."""

    @property
    def spares_the_model(self) -> bool:
        """Whether no model sees the request, so that nothing is billed."""
        return self in _BEFORE_THE_MODEL

    @property
    def is_of_streams(self) -> bool:
        """Whether only requests for a stream are struck."""
        return self in _OF_STREAMS


_BEFORE_THE_MODEL = frozenset({FaultKind.STATUS, FaultKind.QUOTA, FaultKind.DROP, FaultKind.HANG, FaultKind.HTML_200})
_OF_STREAMS = frozenset(
    {FaultKind.STREAM_CUT, FaultKind.STREAM_DROP, FaultKind.STREAM_STALL, FaultKind.STREAM_ERROR_EVENT}
)
_NEED: dict[str, frozenset[FaultKind]] = {
    "status": frozenset({FaultKind.STATUS}),
    "seconds": frozenset({FaultKind.SLOW, FaultKind.HANG, FaultKind.STREAM_STALL}),
    "retry_after": frozenset({FaultKind.RETRY_AFTER_ON_200}),
    "text": frozenset({FaultKind.TEXT}),
}
_MAY_TAKE: dict[str, frozenset[FaultKind]] = {
    "retry_after": frozenset({FaultKind.STATUS}),
    "after_chunks": _OF_STREAMS,
    "size": frozenset({FaultKind.HUGE_BODY}),
}


class Match(Strict):
    """The requests that a fault is about: for the model of that wire name, with that text in a string of the body."""

    contains: str | None = Field(default=None, min_length=1)
    model: str | None = None


class Fault(Strict):
    """What goes wrong, with which requests, and how often.

    `status` belongs to kind `status`, and so does `retry_after`: the seconds that the error asks the client to wait,
    told in the provider's own headers, or with `retry_after_form: date` as an HTTP date; None: the error does not say.
    `retry_after_on_200` needs it too. `seconds` belongs to `slow`, `hang` and `stream_stall` and is not scaled,
    `text` to `text`, `size` (bytes) to `huge_body`. `after_chunks` is how many tokens of a stream come before its
    fault; None: half of them. `times` is how often the fault strikes at the most; `probability` is its chance to
    strike a request that fits.
    """

    kind: FaultKind
    provider: WireApi | None = None
    match: Match = Match()
    status: Status | None = None
    retry_after: float | None = Field(default=None, ge=0, le=1e9)
    retry_after_form: Literal["seconds", "date"] = "seconds"
    seconds: float | None = Field(default=None, ge=0, le=86_400)
    text: str | None = None
    size: int | None = Field(default=None, ge=0, le=10**12)
    after_chunks: int | None = Field(default=None, ge=0)
    times: PositiveInt | None = None
    probability: float = Field(default=1, ge=0, le=1)

    @model_validator(mode="after")
    def _has_what_its_kind_takes(self) -> Self:
        for name in ("status", "seconds", "retry_after", "text", "size", "after_chunks"):
            given, needed = getattr(self, name) is not None, self.kind in _NEED.get(name, ())
            if given != needed and not (given and self.kind in _MAY_TAKE.get(name, ())):
                raise ValueError(f"a fault of kind {self.kind.value!r} {'takes no' if given else 'needs'} {name!r}.")
        return self

    @property
    def outcome(self) -> str:
        """What the bill calls it: its kind, or `status_429` and the like."""
        return self.kind.value if self.status is None else f"status_{self.status}"


class FaultList(Strict):
    """The body of `POST /__emu/faults`."""

    faults: tuple[Fault, ...]


class Faults:
    """The active faults; without any, a request costs nothing more."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self._active: list[_Active] = []
        self.replace(faults)

    def __bool__(self) -> bool:
        return bool(self._active)

    def replace(self, faults: Iterable[Fault]) -> None:
        """From now on it is these, none of which has struck."""
        self._active = [_Active(fault) for fault in faults]

    def strike(self, entry: Entry, body: str, *, streams: bool = False) -> Fault | None:
        """The fault that strikes this request, whose canonical JSON is `body`; it counts as having struck."""
        for index, active in enumerate(self._active):
            if active.fits(entry, body, streams) and self._is_drawn(active.fault, index, entry):
                active.struck += 1
                return active.fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Each fault as it was given, and how often it `struck`."""
        return [
            {**active.fault.model_dump(mode="json", exclude_defaults=True), "struck": active.struck}
            for active in self._active
        ]

    def _is_drawn(self, fault: Fault, index: int, entry: Entry) -> bool:
        if fault.probability >= 1:
            return True
        return generator(self._seed, "fault", index, entry.prompt_hash, entry.attempt).random() < fault.probability


class _Active:
    """A fault, and how often it struck."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        # Looked for as JSON writes it, so that the body need not be walked for its strings.
        self._needle = json.dumps(fault.match.contains or "", ensure_ascii=False)[1:-1]

    def fits(self, entry: Entry, body: str, streams: bool) -> bool:
        """Whether the fault is about such requests and has not struck often enough."""
        fault = self.fault
        return (
            fault.provider in (None, entry.api)
            and fault.match.model in (None, entry.model)
            and (fault.times is None or self.struck < fault.times)
            and (streams or not fault.kind.is_of_streams)
            and self._needle in body
        )
