"""The options by which commands choose jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from mirepoix.states import JobState

State = Annotated[JobState | None, typer.Option(help="Only jobs in this state.")]
Pipeline = Annotated[str | None, typer.Option(help="Only jobs of this pipeline.")]
Tenant = Annotated[str | None, typer.Option(help="Only jobs of this tenant.")]
Model = Annotated[str | None, typer.Option(help="Only jobs that asked this model.")]
Provider = Annotated[str | None, typer.Option(help="Only jobs that asked this provider.")]
Since = Annotated[str | None, typer.Option(help="Submitted since: so long ago (2d, 12h), or a date or time (UTC).")]
Until = Annotated[str | None, typer.Option(help="Submitted before: so long ago, or a date or time (UTC).")]
Words = Annotated[
    str | None,
    typer.Option("--text", help='Only ended jobs with these words in input or output; "…" keeps words together.'),
]
