"""Run a recorded job again, purely: the same thinking, fed with recorded answers instead of models.

`walk` goes through a pipeline as the tasks would, `questions` finds the answer that a question got before, `compare`
says which decisions come out the same, `again` does both, and `fork` says which steps do not depend on one that is
asked anew.
"""

from __future__ import annotations

from pipelines.replay.again import replay_as_now, replay_recorded
from pipelines.replay.compare import Outcome, Replay, ReplayedDecision, compare
from pipelines.replay.fork import pins_of, steps_before
from pipelines.replay.questions import Library
from pipelines.replay.trained import NO_FILES, TrainedFiles
from pipelines.replay.walk import Walk, walk_recorded, walk_with

__all__ = [
    "NO_FILES",
    "Library",
    "Outcome",
    "Replay",
    "ReplayedDecision",
    "TrainedFiles",
    "Walk",
    "compare",
    "pins_of",
    "replay_as_now",
    "replay_recorded",
    "steps_before",
    "walk_recorded",
    "walk_with",
]
