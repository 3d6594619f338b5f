"""What an ensemble does next: wait, ask, answer or fail."""

from __future__ import annotations

from pipelines.ensembles.advice import candidates
from pipelines.ensembles.ballots import standing_of
from pipelines.ensembles.moves import next_move
from pipelines.ensembles.standing import Answer, Ballot, Consult, End, Fail, Move, Standing, Wait

__all__ = [
    "Answer",
    "Ballot",
    "Consult",
    "End",
    "Fail",
    "Move",
    "Standing",
    "Wait",
    "candidates",
    "next_move",
    "standing_of",
]
