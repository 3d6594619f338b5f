"""A job run again in one go: as its pipeline was, or as it is configured now."""

from __future__ import annotations

from mirepoix.again import require_replayable
from mirepoix.config import Config
from mirepoix.errors import NotFound
from mirepoix.strict import unknown
from mirepoix.views import TraceView
from pipelines.check import check_pipeline
from pipelines.replay.compare import Replay, compare
from pipelines.replay.questions import Library
from pipelines.replay.trained import NO_FILES, TrainedFiles
from pipelines.replay.walk import walk_recorded, walk_with


def replay_recorded(trace: TraceView, config: Config, trained: TrainedFiles = NO_FILES) -> Replay:
    """The job in its pipeline as it was. Models, prices and privacy are those of `config`. Raises NotReplayable."""
    require_replayable(trace.job, trace.store, filed=trace.filed)
    return compare(trace, walk_recorded(trace, config, trained=trained))


def replay_as_now(trace: TraceView, config: Config, trained: TrainedFiles = NO_FILES) -> Replay:
    """The job in the pipeline of that name as `config` has it. Raises NotReplayable, NotFound, PipelineError."""
    require_replayable(trace.job, trace.store, filed=trace.filed)
    if trace.pipeline not in config.pipelines:
        raise NotFound(unknown(f"pipeline {trace.pipeline!r}", trace.pipeline, config.pipelines))
    spec = config.pipelines[trace.pipeline]
    check_pipeline(trace.pipeline, spec, config)
    library = Library()
    walk_recorded(trace, config, library, trained)
    return compare(trace, walk_with(trace, spec, config, library, trained))
