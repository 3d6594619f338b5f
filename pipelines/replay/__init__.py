"""Run a recorded job again, purely: the same thinking, fed with recorded answers instead of models.

`walk` goes through a pipeline as the tasks would, `questions` finds the answer that a question got before, `compare`
says which decisions come out the same, and `fork` which steps do not depend on one that is asked anew.
"""

from __future__ import annotations

from pipelines.replay.compare import Outcome, Replay, ReplayedDecision, compare
from pipelines.replay.fork import pins_of, steps_before
from pipelines.replay.questions import Library
from pipelines.replay.walk import TrainedFile, Walk, no_trained_files, walk_recorded, walk_with

__all__ = [
    "Library",
    "Outcome",
    "Replay",
    "ReplayedDecision",
    "TrainedFile",
    "Walk",
    "compare",
    "no_trained_files",
    "pins_of",
    "steps_before",
    "walk_recorded",
    "walk_with",
]
