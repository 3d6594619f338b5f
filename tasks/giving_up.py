"""When a model did not answer and is not asked again: the step moves to the next fallback, or fails."""

from __future__ import annotations

from typing import Any

from celery import Signature

from db.answers import Progress, fail_step
from db.steps import move_step
from mirepoix.errors import ProviderError, StepFailed
from mirepoix.ledger.ending import stop_late_job
from mirepoix.ledger.tables import now
from mirepoix.paths import find
from mirepoix.planned import ReadyStep
from mirepoix.spec import Call
from mirepoix.states import ErrorKind
from pipelines.canvas import step_signature
from tasks.follow import follow
from tasks.house import House
from tasks.intent import Intent
from tasks.lead_on import lead_on
from tasks.limits import Reason
from tasks.recording import write_until_taken


def give_up(house: House, intent: Intent, error: ProviderError) -> Signature[Any] | None:
    """Move the step to the next fallback, or else fail it; at the deadline, fail the job.

    Returns what takes the task's place. Raises StepFailed, after writing down why.
    """
    job_id = intent.claim.job_id
    if time_left(intent) == 0:
        ended = write_until_taken(house, lambda connection: stop_late_job(connection, job_id))
        follow(house, job_id, Progress(won=ended, job_ended=ended))
        raise StepFailed("the job's deadline passed.")
    fallback = fallback_of(house, intent)
    if fallback is not None:
        return move(house, intent, fallback, error.kind)
    held_back = "; its fallbacks are external, and must not see the request" if _line_after(house, intent) else ""
    reason = f"{intent.model.provider}/{intent.key}: {error}{held_back}"
    progress = write_until_taken(house, lambda c: fail_step(c, intent.claim, error.kind, reason))
    lead_on(house, intent.claim.job, progress)
    raise StepFailed(reason)


def move(house: House, intent: Intent, fallback: str, why: ErrorKind | Reason) -> Signature[Any] | None:
    """Hand the step to the model `fallback`; None where it is not ours any more."""
    claim, provider = intent.claim, house.config.provider_of(fallback)
    if not write_until_taken(house, lambda c: move_step(c, claim, model=fallback, provider=provider, why=why)):
        return None
    house.meters.moved(intent.model.provider, intent.key)
    moved = ReadyStep(claim.job_id, claim.path, claim.kind, claim.job.lane, provider, fallback)
    return step_signature(house.app, moved)


def time_left(intent: Intent) -> float:
    """Seconds until the job's deadline; 0 after it."""
    deadline = intent.claim.job.deadline_at
    return float("inf") if deadline is None else max(0.0, (deadline - now()).total_seconds())


def fallback_of(house: House, intent: Intent) -> str | None:
    """The model to ask after this one; one that must not see the question is passed over."""
    after = _line_after(house, intent)
    return next((model for model in after if house.guard.may_fall_back(intent.question, model)), None)


def _line_after(house: House, intent: Intent) -> tuple[str, ...]:
    """Those after this model along the fallbacks of the model that the pipeline names."""
    claim, config = intent.claim, house.config
    node = find(house.known_spec(claim.job.version), claim.path).node
    if not isinstance(node, Call) or node.model not in config.models:
        return ()
    line = config.line(node.model)
    return line[line.index(intent.key) + 1 :] if intent.key in line else ()
