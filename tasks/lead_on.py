"""What becomes ready is decided here and now where that is quick, and published where it is not.

A reducer behind the last member of an ensemble, a gate behind a tier, a condition behind a link: each was a message to
an orchestrator and a task of its own, which took longer than to decide (bench/README.md). Each has a transaction of its
own, after the one that recorded the answer: whatever becomes of the decision, the answer, which is paid for, stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import celery
from celery import Signature

from db.answers import Progress
from db.locks import LockedJob
from db.steps import Claim
from db.waking import Wake
from mirepoix.errors import StepFailed
from mirepoix.paths import find
from mirepoix.planned import ReadyStep
from pipelines.at_once import decides_at_once
from tasks.canvases import lead_nowhere, step_into
from tasks.care import caring_for_step
from tasks.cascade import judge_tier
from tasks.choose import choose_next
from tasks.decide import Apart, Deciding, Ended, Outcome, decide_claimed
from tasks.ensemble import count_votes
from tasks.follow import follow
from tasks.house import House
from tasks.sending import send
from tasks.waking import wake

THINK: dict[str, Callable[[Deciding], Outcome]] = {
    "route": choose_next,
    "if": choose_next,
    "cascade": judge_tier,
    "ensemble": count_votes,
}
"""How the kinds of steps think that may decide at once."""


def decide(house: House, job_id: str, path: str, think: Callable[[Deciding], Outcome]) -> Signature[Any] | None:
    """The task of a step that decides: claim it, and carry out what `think` makes of it, and what follows from that.

    Returns the canvas that takes this task's place, if the decision calls for more work. Raises StepFailed when the
    step ended without an answer.
    """
    decided = decide_claimed(house, job_id, path, think)
    if decided is None:
        return None
    claim, outcome = decided
    if isinstance(outcome, Signature):
        return outcome
    if isinstance(outcome, Apart):
        _send_apart(house, claim, outcome)
        return None
    lead_on(house, claim.job, outcome.progress)
    if outcome.error is not None:
        raise StepFailed(outcome.error)
    return None


def lead_on(house: House, job: LockedJob, progress: Progress) -> None:
    """Carry out the consequences of a recorded end, and of the decisions that it makes at once, and of theirs."""
    waves = deque([progress])
    while waves:
        wave = waves.popleft()
        if wave.won and not wave.led_on:
            lead_nowhere()
        driven = [step for step in wave.to_drive if _decides_at_once(house, job, step)]
        led_on = [step for step in wave.led_on if _decides_at_once(house, job, step) and step_into(step)]
        follow(house, job.id, wave.without({*driven, *led_on}))
        waves.extend(further for step in (*driven, *led_on) if (further := _decide_at_once(house, step)) is not None)


def _decides_at_once(house: House, job: LockedJob, step: ReadyStep) -> bool:
    return step.kind in THINK and decides_at_once(find(house.known_spec(job.version), step.path).node)


def _decide_at_once(house: House, step: ReadyStep) -> Progress | None:
    """Decide in the place of the step's own task; what its end led to, if it ended.

    Where somebody else has claimed it meanwhile, or its job has ended, that is not for this task to lead on.
    """
    with caring_for_step(house, step.job_id, step.path):
        decided = decide_claimed(house, step.job_id, step.path, THINK[step.kind])
        if decided is not None:
            claim, outcome = decided
            if isinstance(outcome, Ended):
                return outcome.progress
            if isinstance(outcome, Signature) and not claim.driven:
                celery.current_task.replace(outcome)
                return None
            _send_apart(house, claim, Apart((outcome,)) if isinstance(outcome, Signature) else outcome)
    lead_nowhere()
    return None


def _send_apart(house: House, claim: Claim, apart: Apart) -> None:
    if apart.after is not None:
        house.timers.after(apart.after, partial(wake, house, Wake(claim.job_id, claim.path, claim.epoch + 1)))
    send(house.app, apart.canvases)
