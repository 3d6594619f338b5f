"""What the reconciler sends again while a queue is never empty."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from mirepoix import Call
from mirepoix.ledger.tables import Job, now
from tests.tasks.pump import open_pump
from workers.embedded import EmbeddedBroker
from workers.reconciler import TRICKLE, Reconciler

LATELY, LONG_AGO = timedelta(minutes=1), timedelta(hours=1)


def test_starts_that_are_lost_are_sent_again_though_others_wait(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    try:
        with open_pump(tmp_path, broker.url) as pump:
            lost = [pump.submit(Call(model="a")) for _ in range(TRICKLE + 1)]
            while pump.take() is not None:
                pass
            waiting = pump.submit(Call(model="a"))
            with pump.house.database.write() as connection:
                connection.execute(update(Job).where(Job.id == waiting).values(due_at=now() - LATELY))
                connection.execute(update(Job).where(Job.id.in_(lost)).values(due_at=now() - LONG_AGO))
            Reconciler(pump.house).reconcile()
            sent = list[str]()
            while (message := pump.take()) is not None:
                sent += message.args
    finally:
        broker.stop()
    assert sorted(sent) == sorted([waiting, *lost[:TRICKLE]]), "a few at a time, none of those that may still come"
