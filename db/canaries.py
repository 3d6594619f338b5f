"""What became of the jobs that were drawn for canaries, and the end of one that fails too often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, case, func, or_, select

from db.alerts import tell_stop
from db.elapsed import Elapsed
from mirepoix.caps import Alert
from mirepoix.ledger.canaries import CanaryStanding, change_canary
from mirepoix.ledger.tables import Attempt, Job
from mirepoix.rollouts import Side
from mirepoix.states import CanaryState, JobState

WINDOW = 10_000
"""So many of the newest jobs that were drawn count, of both sides together: both are of the same time."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The canary, and the jobs that were drawn and stayed with the pipeline as it is."""

    canary: Side
    base: Side


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one side: ended jobs, how many of them failed, and a job's mean cost (USD) and latency (seconds)."""

    jobs: int
    failed: int
    cost_usd: Decimal
    seconds: float | None


def count_ends(connection: Connection, standing: CanaryStanding) -> Sides:
    """How the jobs ended that were drawn since the canary began, or went on; cancelled ones say nothing."""
    drawn = _drawn(standing)
    query = select(drawn.c.canary, drawn.c.state, func.count()).group_by(drawn.c.canary, drawn.c.state)
    counts = {(canary, state): count for canary, state, count in connection.execute(query)}
    return Sides(*(_side(counts, canary) for canary in (True, False)))


def tally_sides(connection: Connection, standing: CanaryStanding) -> dict[bool, Tally]:
    """The same with cost and latency, by whether it is the canary; a side without jobs is left out."""
    drawn = _drawn(standing)
    spent = select(Attempt.job_id, func.sum(Attempt.cost).label("cost")).group_by(Attempt.job_id)
    spent_ = spent.where(Attempt.job_id.in_(select(drawn.c.id))).subquery()
    rows = connection.execute(
        select(
            drawn.c.canary,
            func.count().label("jobs"),
            func.count(case((drawn.c.state == JobState.FAILED, 1))).label("failed"),
            func.sum(spent_.c.cost, type_=Attempt.cost.type).label("cost"),
            func.avg(Elapsed(drawn.c.created_at, drawn.c.finished_at)).label("seconds"),
        )
        .outerjoin(spent_, spent_.c.job_id == drawn.c.id)
        .group_by(drawn.c.canary)
    )
    return {
        row.canary: Tally(row.jobs, row.failed, (row.cost or Decimal(0)) / row.jobs, float(row.seconds)) for row in rows
    }


def stop_canary(
    connection: Connection,
    standing: CanaryStanding,
    reason: str,
    figures: Mapping[str, Any],
    alerts: Sequence[Alert],
) -> bool:
    """Stop it for all producers, and let the alerts be told; False when it has been changed meanwhile."""
    stopped = change_canary(connection, standing, CanaryState.STOPPED, reason, figures)
    if stopped:
        told = {"pipeline": standing.pipeline, "canary": standing.target, "version": standing.version}
        tell_stop(connection, alerts, {**told, "reason": reason, **figures})
    return stopped


def side_figures(sides: Sides) -> dict[str, Any]:
    """As they are kept and told."""
    return {"canary_jobs": asdict(sides.canary), "other_jobs": asdict(sides.base)}


def _drawn(standing: CanaryStanding) -> Subquery:
    """The newest ended jobs that were drawn, but those that went to another version of the canary."""
    mine: ColumnElement[bool] = or_(Job.canary.is_(False), Job.version == standing.version)
    newest = (
        select(Job.id, Job.canary, Job.state, Job.created_at, Job.finished_at)
        .where(Job.pipeline == standing.pipeline, Job.created_at >= standing.created_at, Job.canary.is_not(None), mine)
        .where(Job.state.in_([JobState.SUCCEEDED, JobState.FAILED]))
    )
    return newest.order_by(Job.created_at.desc()).limit(WINDOW).subquery()


def _side(counts: Mapping[tuple[bool, str], int], canary: bool) -> Side:
    failed = counts.get((canary, JobState.FAILED), 0)
    return Side(counts.get((canary, JobState.SUCCEEDED), 0) + failed, failed)
