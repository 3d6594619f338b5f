"""What a worker process counts, under names that Prometheus reads.

Labels are names from the configuration and members of enums: nobody can make more of them by submitting jobs.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from db.attempts import Outcome
from db.spans import EndedJob
from mirepoix.states import ErrorKind
from tasks.limits.admission import Reason

OF_MODEL = ("provider", "model")
CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
WAIT_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60)
JOB_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200)
ANSWERED = "answered"
BY_PYTHON = "python"
"""What pipelines that were built in Python count as: their names are not bounded by the configuration."""


class Meters:
    """Counters and histograms of one process, all in `registry`."""

    def __init__(self, pipelines: frozenset[str] = frozenset()) -> None:
        self._pipelines = pipelines
        self.registry = registry = CollectorRegistry(auto_describe=True)
        self._calls = Counter(
            "mirepoix_calls", "Requests that ended, by what came of them", (*OF_MODEL, "outcome"), registry=registry
        )
        self._call_seconds = Histogram(
            "mirepoix_call_seconds", "Seconds to a whole answer", OF_MODEL, buckets=CALL_SECONDS, registry=registry
        )
        self._tokens = Counter("mirepoix_tokens", "Tokens by kind", (*OF_MODEL, "kind"), registry=registry)
        self._cost = Counter("mirepoix_cost_usd", "USD that answers cost", OF_MODEL, registry=registry)
        self._retries = Counter(
            "mirepoix_retries", "Requests sent again, by why", (*OF_MODEL, "reason"), registry=registry
        )
        self._moves = Counter("mirepoix_fallbacks", "Calls that went on at another model", OF_MODEL, registry=registry)
        self._limit_waits = Counter(
            "mirepoix_limit_waits", "Calls that had to wait for leave, by why", (*OF_MODEL, "reason"), registry=registry
        )
        self._limit_wait_seconds = Histogram(
            "mirepoix_limit_wait_seconds",
            "Seconds that calls which had to wait waited for leave",
            OF_MODEL,
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._jobs = Counter("mirepoix_jobs_ended", "Jobs by their end", ("pipeline", "state"), registry=registry)
        self._job_seconds = Histogram(
            "mirepoix_job_seconds",
            "Seconds from a job's submission to its end",
            ("pipeline",),
            buckets=JOB_SECONDS,
            registry=registry,
        )

    def call_ended(self, provider: str, model: str, outcome: Outcome) -> None:
        """A request came to its end, whatever that was."""
        self.batched_call_ended(provider, model, outcome)
        if outcome.error_kind is None:
            self._call_seconds.labels(provider, model).observe(outcome.latency)

    def batched_call_ended(self, provider: str, model: str, outcome: Outcome) -> None:
        """The same of a request in a batch, whose hours say nothing of how quick the model is."""
        self._calls.labels(provider, model, outcome.error_kind or ANSWERED).inc()
        if outcome.cost is not None:
            self._cost.labels(provider, model).inc(float(outcome.cost))
        if outcome.usage is not None:
            usage = outcome.usage
            kinds = {"input": usage.input, "output": usage.output, "cached": usage.cached, "reasoning": usage.reasoning}
            for kind, tokens in kinds.items():
                self._tokens.labels(provider, model, kind).inc(tokens)

    def sent_again(self, provider: str, model: str, reason: ErrorKind) -> None:
        """A request is about to be sent once more."""
        self._retries.labels(provider, model, reason).inc()

    def moved(self, provider: str, model: str) -> None:
        """A call left `model` for a fallback."""
        self._moves.labels(provider, model).inc()

    def waited(self, provider: str, model: str, reason: Reason, seconds: float) -> None:
        """A call had to wait for leave, and had it, or gave up, after `seconds`."""
        self._limit_waits.labels(provider, model, reason).inc()
        self._limit_wait_seconds.labels(provider, model).observe(seconds)

    def job_ended(self, job: EndedJob) -> None:
        """A job came to its end here."""
        pipeline = job.pipeline if job.pipeline in self._pipelines else BY_PYTHON
        self._jobs.labels(pipeline, job.state).inc()
        self._job_seconds.labels(pipeline).observe(max(0.0, (job.finished_at - job.created_at).total_seconds()))
