"""The states of jobs, steps and attempts. Terminal states never change."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """queued -> running -> succeeded | failed | cancelled."""

    QUEUED = "queued"
    """Accepted in the ledger; not yet compiled to steps."""
    RUNNING = "running"
    """Its steps are in the ledger; at least one is not ended."""
    SUCCEEDED = "succeeded"
    """Ended with an output."""
    FAILED = "failed"
    """Ended without an output; the reason is on the job."""
    CANCELLED = "cancelled"
    """Ended because somebody asked for it."""

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class StepState(StrEnum):
    """pending -> running -> succeeded | failed | skipped | cancelled."""

    PENDING = "pending"
    """Never claimed so far."""
    RUNNING = "running"
    """Claimed at least once; at work, or waiting for the steps below it."""
    SUCCEEDED = "succeeded"
    """Has an output."""
    FAILED = "failed"
    """Ended without an output; the reason is on the step."""
    SKIPPED = "skipped"
    """Never needed: an earlier step of its chain failed."""
    CANCELLED = "cancelled"
    """Its job was cancelled, or stopped at a bound, before it ended; or its ensemble needed it no more."""

    @property
    def terminal(self) -> bool:
        """Whether the step has ended."""
        return self not in (StepState.PENDING, StepState.RUNNING)


class Lane(StrEnum):
    """In which queues a job's messages travel. A tenant has a bounded number of jobs in the fast lane at a time."""

    FAST = "fast"
    """Served first."""
    BULK = "bulk"
    """Served when the fast lane leaves room."""


class Latency(StrEnum):
    """How long the answers to a job's calls may take."""

    NOW = "now"
    """Each call is asked as soon as it is its turn."""
    BATCH = "batch"
    """Calls may wait for a batch of their provider's, a day and a little at the most, where that costs less."""


class BatchState(StrEnum):
    """gathering -> sealed -> sent -> ended."""

    GATHERING = "gathering"
    """Calls still join it."""
    SEALED = "sealed"
    """To be sent; whether it has been may not be known yet."""
    SENT = "sent"
    """The provider has it."""
    ENDED = "ended"
    """What became of each of its calls is written down."""


class DeliveryState(StrEnum):
    """pending -> delivered | failed."""

    PENDING = "pending"
    """To be sent, or sent again."""
    DELIVERED = "delivered"
    """The receiver answered with 2xx."""
    FAILED = "failed"
    """Given up: tried too often, or it leads where it must not."""


class CanaryState(StrEnum):
    """running <-> stopped."""

    RUNNING = "running"
    """A share of the jobs goes to it."""
    STOPPED = "stopped"
    """No job does, because too many failed, or because somebody asked for it."""


class Store(StrEnum):
    """What is kept of a job's texts (input, prompts, answers, outputs) once it has ended."""

    FULL = "full"
    """All of them, and they can be searched."""
    REDACTED = "redacted"
    """All but the personal and secret data that is found in them; marks such as `[email]` stand in its place."""
    NONE = "none"
    """None: hashes, counts, costs and choices only."""


class FeedbackSource(StrEnum):
    """Who says how good a job's answer was."""

    USER = "user"
    """A person, or the program that speaks for one."""
    SCHEMA = "schema"
    """A check of its form."""
    UNIT_TEST = "unit-test"
    """A check of what it does: tests that pass, a number that is right."""
    JUDGE = "judge"
    """Another model."""


class TrainedKind(StrEnum):
    """What a trained file decides."""

    ROUTER = "router"
    """Which model is asked, from the question alone."""
    POLICY = "policy"
    """Which model is asked next, or that the answers so far are enough."""


class EventKind(StrEnum):
    """Something out of the common that happened to a step."""

    DRIVEN = "driven"
    """It was ready and nobody claimed it for too long, so it was sent again."""
    TAKEN_BACK = "taken back"
    """The process that held it died."""
    MOVED = "moved"
    """It went on with another model."""
    POSTPONED = "postponed"
    """A limit would have held it up for long, so it went back to its queue, unsent."""
    HANDED_BACK = "handed back"
    """The process that held it was told to stop."""


class ErrorKind(StrEnum):
    """Why a call or a step ended without an answer."""

    UNKNOWN = "unknown_outcome"
    """The request went out; whether it was answered, and billed, is not known (the process died or the line broke)."""
    ABORTED = "aborted"
    """Given up by us in mid-air: its job had ended, nobody needed it, or its worker had to. It may have been billed."""
    UNANSWERED = "batch_unanswered"
    """The batch that it was part of ended (refused, expired, cancelled) before it was its turn; not billed."""
    CONNECT = "connection_before_send"
    """The provider could not be reached; nothing was sent or billed."""
    TIMEOUT = "timeout"
    """No answer within the provider's time-out; it may have been billed."""
    RATE_LIMITED = "rate_limited"
    """429: too many requests or tokens at this moment."""
    QUOTA = "quota_exhausted"
    """The account has no money or quota left; waiting does not help."""
    OVERLOADED = "overloaded"
    """5xx or 529: the provider is in trouble."""
    BAD_REQUEST = "bad_request"
    """4xx: the provider does not take this request."""
    AUTH = "auth"
    """401 or 403: the key is missing, wrong or not allowed."""
    NOT_FOUND = "not_found"
    """404: the provider does not know this model."""
    REFUSED = "refused"
    """The model or its safety filter declined to answer."""
    BAD_ANSWER = "bad_answer"
    """The answer breaks the wire format: not JSON, wrong types, too large, nothing in it."""
    INVALID_OUTPUT = "invalid_output"
    """The answer does not fit the schema that the call asks for; billed, and kept on its attempt."""
    LOCAL = "model_error"
    """An in-process model raised an exception."""
    TEMPLATE = "template"
    """A prompt could not be rendered."""
    REDUCE = "not_enough_members"
    """Fewer members of an ensemble answered than min_success asks for."""
    EXHAUSTED = "no_tier_answered"
    """No tier of a cascade gave an answer."""
    CHILD = "step_failed"
    """A step below this one failed."""
    PIPELINE = "pipeline"
    """The pipeline cannot run with this configuration."""
    INTERNAL = "internal"
    """The task itself broke; a bug, in Mirepoix or in what it was extended with."""
    GAVE_UP = "gave_up"
    """The step was tried too often without an end; it is set aside."""
    BUDGET = "over_budget"
    """The next call might cost more than is left of what the job, or its tenant on this day, may spend."""
    DEADLINE = "deadline"
    """The job's deadline passed before it ended."""
    PRIVACY = "privacy"
    """What must not leave the house was about to, and no model in the house could be asked instead."""
    NO_BRANCH = "no_branch_fits"
    """Every branch of a route was ruled out."""
