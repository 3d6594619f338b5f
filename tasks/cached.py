"""Answer a call from the ledger, where the very same request was answered before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from db.answers import Progress, answer_step
from db.attempts import Asked
from db.cache import answer_before, earlier_answers, record_cached
from db.steps import Claim
from pipelines.gates.quality import CUT_SHORT
from tasks.wanted import Fit

if TYPE_CHECKING:
    from tasks.intent import Intent


def answer_as_before(connection: Connection, claim: Claim) -> Progress | None:
    """Answer the step as it was answered in the job that this one runs again; None where it is to be asked anew."""
    before = answer_before(connection, claim)
    if before is None:
        return None
    asked, earlier, output = before
    record_cached(connection, claim, asked, earlier, earlier.form)
    return answer_step(connection, claim, output)


def answer_from_cache(connection: Connection, intent: Intent, asked: Asked) -> Progress | None:
    """Answer the step with what the same request got before; None when there is nothing that serves.

    Samples of one question exist to differ, so each is answered only by what stood at its own place.
    """
    if intent.ttl is None:
        return None
    claim = intent.claim
    path = claim.path if "samples" in claim.path.split(".") else None
    for earlier in earlier_answers(connection, claim, asked, intent.ttl, path=path):
        fit = intent.wanted.read(earlier.answer, earlier.finish_reason)
        if isinstance(fit, Fit) and earlier.finish_reason not in CUT_SHORT:
            record_cached(connection, claim, asked, earlier, fit.form)
            return answer_step(connection, claim, fit.output)
    return None
