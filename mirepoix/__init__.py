"""Mirepoix: many models, one pot.

A distributed task queue that lets many language models answer one job, built on Celery. This package is the public
door: the contracts and the client. It imports none of the house's other packages (`db`, `pipelines`, `tasks`,
`workers`, `cli`), so a producer may have modules of those names.
"""

from mirepoix.answer import Answer
from mirepoix.client import Client, Handle
from mirepoix.errors import MirepoixError
from mirepoix.ledger.accept import Submission
from mirepoix.settings import Settings
from mirepoix.spec import (
    Accept,
    Branch,
    Cache,
    Call,
    Cascade,
    Chain,
    Ensemble,
    Fuse,
    Gates,
    Hedge,
    If,
    Judge,
    Map,
    Reduce,
    Route,
    Split,
    Vote,
)
from mirepoix.states import FeedbackSource, JobState, StepState

__all__ = [
    "Accept",
    "Answer",
    "Branch",
    "Cache",
    "Call",
    "Cascade",
    "Chain",
    "Client",
    "Ensemble",
    "FeedbackSource",
    "Fuse",
    "Gates",
    "Handle",
    "Hedge",
    "If",
    "JobState",
    "Judge",
    "Map",
    "MirepoixError",
    "Reduce",
    "Route",
    "Settings",
    "Split",
    "StepState",
    "Submission",
    "Vote",
]
__version__ = "0.1.0"
