"""Bring a new version of a pipeline out: a share of its jobs really goes there, or is answered there as well, unseen.

Choosing is pure and stands here; what it follows from is in the ledger (`mirepoix.ledger.canaries`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mirepoix.errors import InputError
from mirepoix.spec import Pipeline, version
from mirepoix.strict import Strict, unknown
from mirepoix.tags import require_tag_name
from mirepoix.views import Decision

SHADOW = "shadow"
"""The tenant that pays for shadows: no caller's, so that nobody's budget is touched and nobody is shown them."""
TAG = "tag:"
STICKS_TO = ("input", "tenant", "key")
BY_CHANCE = "job"


def _share(given: Any) -> Any:
    """`5%` as 0.05; a number without its sign could mean either."""
    text = given.strip() if isinstance(given, str) else ""
    try:
        return float(text.removesuffix("%")) / 100 if text.endswith("%") else float("nan")
    except ValueError:
        return float("nan")


def _in_percent(share: float) -> float:
    if not 0 < share <= 1:  # not a number is neither
        raise ValueError("a share is written in percent, above 0% and at most 100%, like 5%.")
    return share


def _sticks(by: str) -> str:
    if by.startswith(TAG):
        try:
            require_tag_name(by.removeprefix(TAG))
        except InputError as error:
            raise ValueError(str(error)) from error
    elif by not in STICKS_TO:
        raise ValueError(unknown(f"key {by!r} to draw by", by, (*STICKS_TO, "tag:NAME")))
    return by


Share = Annotated[float, BeforeValidator(_share), AfterValidator(_in_percent)]


class Rollout(Strict):
    """A pipeline's next version, which stands in the pipeline `to`, and what it gets of the first one's jobs.

    `canary` is the share that it answers in its place, `shadow` the share of the others that it answers as well, for
    the record. `by` says what is drawn for the canary: all jobs with the same `input`, `tenant`, idempotency `key` or
    `tag:NAME` go the same way.
    """

    to: str
    shadow: Share | None = None
    canary: Share | None = None
    by: Annotated[str, AfterValidator(_sticks)] = Field(default="input")

    @model_validator(mode="after")
    def _leads_some_jobs(self) -> Self:
        if self.shadow is None and self.canary is None:
            raise ValueError("say what it gets: shadow or canary, with a share like 5%.")
        if self.canary == 1:
            raise ValueError("a canary that gets all jobs has nothing to be compared with; exchange the pipelines.")
        return self


@dataclass(frozen=True)
class NextVersion:
    """A rollout with the pipeline that it leads to."""

    rollout: Rollout
    spec: Pipeline

    @cached_property
    def version(self) -> str:
        """The version of that pipeline, by which the ledger knows the canary."""
        return version(self.spec)


@dataclass(frozen=True, slots=True)
class Side:
    """Of a canary or of what it is compared with: jobs that ended with an answer or failed, and how many failed."""

    jobs: int
    failed: int

    @property
    def share(self) -> float:
        """Of the jobs, those that failed."""
        return self.failed / self.jobs if self.jobs else 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which way a job goes, and why. `canary` is None where none was drawn for, since the canary is stopped."""

    canary: bool | None
    decision: Decision


def draw(pipeline: str, new: NextVersion, sticky: str | None, chance: str) -> Drawn:
    """Draw a way for a job of `pipeline` by what it sticks to; by `chance`, its id, where it has no such thing.

    A point between 0 and 1 is made of it, the same for as long as the two pipelines keep their names: who is in stays
    in while the share grows.
    """
    rollout = new.rollout
    share = rollout.canary or 0.0
    place = point(pipeline, rollout.to, chance if sticky is None else sticky)
    goes = place < share
    by = BY_CHANCE if sticky is None else rollout.by
    because = f"its {by} falls at {place:.4f}, {'below' if goes else 'not below'} the canary's share of {share:.4g}"
    return Drawn(goes, _decision(pipeline, new, because, canary=goes, by=by, point=round(place, 6)))


def stay(pipeline: str, new: NextVersion, why: str) -> Drawn:
    """Leave a job where it is, since the canary is stopped."""
    return Drawn(None, _decision(pipeline, new, f"the canary is stopped: {why}", canary=False))


def is_shadowed(new: NextVersion, job_id: str) -> bool:
    """Whether the next version answers this job as well: drawn for each job alone."""
    share = new.rollout.shadow
    return share is not None and point(SHADOW, new.rollout.to, job_id) < share


def point(*of: str) -> float:
    """A number from 0 to 1 that is the same for the same texts, and evenly spread over different ones."""
    digest = hashlib.sha256(json.dumps(of).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _decision(pipeline: str, new: NextVersion, reason: str, *, canary: bool, **features: Any) -> Decision:
    return Decision(
        choice=new.rollout.to if canary else pipeline,
        reason=reason,
        confidence=1.0,
        features={"canary": canary, "share": new.rollout.canary, "version": new.version, **features},
    )
