"""Ask cheap models first, better ones only where that was not good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mirepoix.spec.node import Node
from mirepoix.strict import Strict

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Accept(Strict):
    """A cascade stops at the first answer whose quality score is at least this (0..1)."""

    at_least: float = Field(default=0.8, ge=0, le=1)


class Cascade(Node):
    """Ask the first tier; look at its answer; go on to the next tier only when it is not good enough."""

    kind: Literal["cascade"] = "cascade"
    tiers: tuple[Pipeline, ...] = Field(min_length=1, max_length=20)
    accept: Accept = Accept()
