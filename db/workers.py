"""Who is alive. A lease is held per process: its `beat` rises while it lives.

Nobody's clock matters: whoever watches measures, on its own monotonic clock, for how long a beat has stood still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from db.answers import AnyRow, ready_step
from db.attempts import close_lost_attempts
from db.batches import free_batches
from db.events import record_events
from db.steps import OPEN
from mirepoix.ledger.tables import Step, Worker, now
from mirepoix.planned import ReadyStep
from mirepoix.states import EventKind


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A step whose holder is gone; `crashes` processes have died with it in their hands."""

    step: ReadyStep
    crashes: int


def register_worker(connection: Connection, worker_id: str, name: str, queues: Sequence[str]) -> None:
    """Write down a process that is about to claim steps."""
    moment = now()
    connection.execute(
        insert(Worker).values(
            id=worker_id, name=name, queues=list(queues), beat=0, alive=True, started_at=moment, seen_at=moment
        )
    )


def beat(connection: Connection, worker_id: str) -> bool:
    """Renew the lease on everything this process holds; False when it had been given up for dead, which this undoes."""
    was_alive = connection.execute(select(Worker.alive).where(Worker.id == worker_id)).scalar_one()
    connection.execute(
        update(Worker).where(Worker.id == worker_id).values(beat=Worker.beat + 1, alive=True, seen_at=now())
    )
    return was_alive


def retire_worker(connection: Connection, worker_id: str) -> list[TakenBack]:
    """Take back what a process that ends still holds, for the caller to publish."""
    connection.execute(update(Worker).where(Worker.id == worker_id).values(alive=False, seen_at=now()))
    return _take_back(connection, worker_id, crashed=False)


def read_beats(connection: Connection) -> dict[str, int]:
    """The beat of each process thought alive."""
    return dict(connection.execute(select(Worker.id, Worker.beat).where(Worker.alive)).all())


def read_alive(connection: Connection) -> list[str]:
    """The names of the processes thought alive, `<queues>@<host>.<pid>`."""
    return list(connection.scalars(select(Worker.name).where(Worker.alive).order_by(Worker.name)))


def bury_worker(connection: Connection, worker_id: str, last_beat: int) -> list[TakenBack] | None:
    """Take back the steps of a process whose beat stood still; None when it has moved after all."""
    buried = connection.execute(
        update(Worker).where(Worker.id == worker_id, Worker.beat == last_beat, Worker.alive).values(alive=False)
    )
    return _take_back(connection, worker_id, crashed=True) if buried.rowcount == 1 else None


def _take_back(connection: Connection, worker_id: str, *, crashed: bool) -> list[TakenBack]:
    """Free what the process holds. Its messages died with it, so from now on no canvas is counted on."""
    free_batches(connection, worker_id)
    held = select(Step.job_id, Step.path, Step.epoch).where(Step.holder == worker_id)
    close_lost_attempts(connection, [(row.job_id, row.path, row.epoch) for row in connection.execute(held).all()])
    rows: Sequence[AnyRow] = connection.execute(
        update(Step)
        .where(Step.holder == worker_id, Step.state.in_(OPEN))
        .values(holder=None, due_at=now(), ready_at=now(), driven=True, crashes=Step.crashes + int(crashed))
        .returning(Step.job_id, Step.path, Step.epoch, Step.kind, Step.lane, Step.provider, Step.model, Step.crashes)
    ).all()
    kind = EventKind.TAKEN_BACK if crashed else EventKind.HANDED_BACK
    record_events(connection, [(row.job_id, row.path) for row in rows], kind, f"process {worker_id}")
    return [TakenBack(ready_step(row.job_id, row.path, row), row.crashes) for row in rows]
