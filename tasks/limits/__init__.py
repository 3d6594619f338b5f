"""Limits that all workers keep together: requests and tokens a minute, calls at once, pauses, and a breaker.

Everything they have to agree on stands in Redis, under `mirepoix:{<provider>}:…`, and each question is one script, so
that no number of workers can pass a limit together that none of them would pass alone.
"""

from tasks.limits.admission import Admission, Reason, Refusal
from tasks.limits.connection import connect_limits
from tasks.limits.estimate import most_tokens
from tasks.limits.gatekeeper import Gatekeeper
from tasks.limits.waiting import wait_for_admission

__all__ = ["Admission", "Gatekeeper", "Reason", "Refusal", "connect_limits", "most_tokens", "wait_for_admission"]
