"""The two answers of the gatekeeper."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a call may not go out at this moment."""

    PAUSED = "paused"
    """The provider asked to be left alone for a while (429 or 529)."""
    BREAKER = "breaker"
    """It failed too often in a row; or one call is trying it just now, and the others wait for what comes of it."""
    CONCURRENCY = "concurrency"
    """As many calls as allowed are under way."""
    RPM = "rpm"
    """As many requests as allowed went out in the last minute."""
    TPM = "tpm"
    """The tokens of the last minute and those of this call are more than allowed."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave for one call, to be settled when the call has ended, however it ended.

    `tokens` is the estimate that it counts with until then; `at_ms` the moment on Redis' clock, in ms since 1970.
    """

    id: str
    provider: str
    model: str
    tokens: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """No leave now; it is worth asking again after `wait` seconds. Where several limits refuse, the longest wait."""

    provider: str
    model: str
    reason: Reason
    wait: float


class BreakerState(StrEnum):
    """What a provider's breaker lets through."""

    CLOSED = "closed"
    """Every call."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half_open"
    """One at a time, to try."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider's gate stands: its breaker, and for how many seconds it is to be left alone."""

    breaker: BreakerState
    paused: float
