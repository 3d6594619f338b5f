"""Everything that can go wrong, by name.

A message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

from mirepoix.states import ErrorKind


class MirepoixError(Exception):
    """The root of all errors that Mirepoix raises on purpose."""


class ConfigError(MirepoixError):
    """The configuration file or the environment cannot be used as it stands."""


class PipelineError(MirepoixError):
    """A pipeline cannot be compiled: unknown model, bad template, empty or nested without end."""


class InputError(MirepoixError):
    """A job's input cannot be accepted (empty, too large, of the wrong kind)."""


class NotReplayable(InputError):
    """A job cannot be run again, since its texts are no longer as they were; `reason` says why."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"job {job_id} is not replayable, because {reason}.")
        self.job_id = job_id
        self.reason = reason


class NotFound(MirepoixError):
    """No job, pipeline or provider goes by that name."""


class LedgerError(MirepoixError):
    """The database cannot be reached or has not been migrated."""


class BrokerError(MirepoixError):
    """The broker cannot be reached."""


class LimitsUnavailable(MirepoixError):
    """The Redis that keeps the shared limits does not answer, so nobody knows whether a call may go out."""


class JobFailed(MirepoixError):
    """The job ended without an answer; `state` is `failed` or `cancelled`."""

    def __init__(self, message: str, *, job_id: str, state: str) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.state = state


class ResultTimeout(MirepoixError, TimeoutError):
    """The job had not ended when the caller's patience did; it goes on."""


class BudgetExceeded(MirepoixError):
    """The next call might cost more than its job, or its tenant on this day, may still spend."""


class StepFailed(MirepoixError):
    """A step ended without an answer; the ledger has the reason. Shown as a failed task in Flower."""


class ProviderError(MirepoixError):
    """A provider did not answer a call; `kind` is the class of the failure.

    `retryable`: the same request may be sent again, after `wait` seconds where the provider named a time.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: ErrorKind,
        retryable: bool = False,
        wait: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.wait = wait
        self.status = status
        self.request_id = request_id
