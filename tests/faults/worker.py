"""`python -m tests.faults.worker`: the command line with a part of the house broken, to prove that the matrix sees it.

The product has no such switches. What is broken is said in `FAULTS`, a list of words:

    twice               each message is published twice
    without-reconciler  nobody looks for what was lost
    without-claim       whoever is told of a step does it, whether it is ready, held, or done
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kombu
from sqlalchemy import Connection, update

from cli.main import main
from db.steps import Claim, claim_step
from mirepoix.ledger.tables import Step
from mirepoix.states import StepState
from tasks import decide, intent
from workers import run as worker_run


@contextmanager
def publishing_twice() -> Iterator[None]:
    """Let every task message of this process be published twice, as a broker may deliver it twice."""
    publish = kombu.Producer.publish

    def twice(self: kombu.Producer, body: Any, *arguments: Any, **options: Any) -> Any:
        # Celery publishes to a queue by the queue's name, through the default exchange.
        if str(options.get("routing_key")).startswith(("orchestrate", "provider.")):
            publish(self, body, *arguments, **options)
        return publish(self, body, *arguments, **options)

    kombu.Producer.publish = twice  # type: ignore[method-assign]  # that is the fault
    try:
        yield
    finally:
        kombu.Producer.publish = publish  # type: ignore[method-assign]  # as it was


def publish_twice() -> None:
    """Publish everything twice until the process ends."""
    publishing_twice().__enter__()


def without_reconciler() -> None:
    """Let nobody look for what was lost."""

    @contextmanager
    def nobody(house: object) -> Iterator[None]:
        yield

    assert "Reconciler" in vars(worker_run)
    vars(worker_run)["Reconciler"] = nobody


def without_claim() -> None:
    """Let every claim succeed: what is held, done or not ready is made claimable first."""

    def claim_anyway(connection: Connection, job_id: str, path: str, *rest: Any, **options: Any) -> Claim | None:
        connection.execute(
            update(Step)
            .where(Step.job_id == job_id, Step.path == path)
            .values(holder=None, missing=0, state=StepState.RUNNING)
        )
        return claim_step(connection, job_id, path, *rest, **options)

    for module in (decide, intent):
        assert "claim_step" in vars(module)
        vars(module)["claim_step"] = claim_anyway


FAULTS = {"twice": publish_twice, "without-reconciler": without_reconciler, "without-claim": without_claim}

if __name__ == "__main__":
    for word in os.environ.get("FAULTS", "").split():
        FAULTS[word]()
    main()
