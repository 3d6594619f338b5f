"""Pipelines that were checked and planned, for the jobs that come after the first."""

from __future__ import annotations

from dataclasses import dataclass

from mirepoix.config import Config
from mirepoix.paths import Place, root
from mirepoix.planned import PlannedStep
from mirepoix.spec import Pipeline
from pipelines.check import check_pipeline
from pipelines.plan import plan


@dataclass(frozen=True, slots=True)
class Compiled:
    """A version of a pipeline that this configuration can carry out, and the steps with which its jobs begin."""

    root: Place
    steps: tuple[PlannedStep, ...]


def compile_pipeline(name: str, spec: Pipeline, config: Config) -> Compiled:
    """Check `spec`, known as `name`, and plan it; raises PipelineError."""
    check_pipeline(name, spec, config)
    place = root(spec)
    return Compiled(place, tuple(plan(place)))
