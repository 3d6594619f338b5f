"""How canaries stand: a row for each change, so that what holds, and all that happened, is one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from mirepoix.ledger.contents import insert_missing
from mirepoix.ledger.tables import CanaryChange, now
from mirepoix.states import CanaryState

BEGAN = "jobs were first drawn for it"


@dataclass(frozen=True, slots=True)
class CanaryStanding:
    """The last change of the canary of `pipeline` at `version`, which stands in the pipeline `target`.

    Into which state, at what time, why, and by which `figures`.
    """

    pipeline: str
    version: str
    number: int
    target: str
    state: CanaryState
    reason: str
    figures: dict[str, Any]
    created_at: datetime

    @property
    def runs(self) -> bool:
        """Whether jobs go to it."""
        return self.state is CanaryState.RUNNING


def read_canary(connection: Connection, pipeline: str, version: str) -> CanaryStanding | None:
    """How the canary stands; None where no job was ever drawn for it."""
    query = select(*CanaryChange.__table__.c).where(CanaryChange.pipeline == pipeline, CanaryChange.version == version)
    row = connection.execute(query.order_by(CanaryChange.number.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    standing = CanaryStanding(**row._asdict())
    return replace(standing, state=CanaryState(row.state))


def begin_canary(connection: Connection, pipeline: str, version: str, target: str, at: datetime) -> CanaryStanding:
    """How the canary stands; one that nobody knows yet begins `at` this moment."""
    known = read_canary(connection, pipeline, version)
    if known is not None:
        return known
    first = CanaryStanding(pipeline, version, 1, target, CanaryState.RUNNING, BEGAN, {}, at)
    _write(connection, first)
    return read_canary(connection, pipeline, version) or first  # another producer may have been faster


def change_canary(
    connection: Connection, was: CanaryStanding, state: CanaryState, reason: str, figures: Mapping[str, Any]
) -> bool:
    """Move the canary on from `was`; False when somebody else has done so."""
    moved = replace(was, number=was.number + 1, state=state, reason=reason, figures=dict(figures), created_at=now())
    return _write(connection, moved)


def _write(connection: Connection, standing: CanaryStanding) -> bool:
    return connection.execute(insert_missing(connection, CanaryChange), [asdict(standing)]).rowcount == 1
