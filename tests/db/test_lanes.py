"""Each tenant has some jobs in the fast lane, the most urgent first, however many others wait."""

from __future__ import annotations

from sqlalchemy import func, select, update

from db.lanes import Promotion, fill_fast_lane, waiting_tenants
from mirepoix import Call, Chain, Submission
from mirepoix.ledger.accept import Accepted, accept_jobs
from mirepoix.ledger.ending import cancel_job
from mirepoix.ledger.engine import Database
from mirepoix.ledger.lanes import FAST_JOBS
from mirepoix.ledger.tables import Job, Step
from mirepoix.queues import A_MESSAGE
from mirepoix.states import Lane
from tests.db.ledger import begin


def accept(database: Database, tenant: str, count: int, priority: int = 0) -> list[Accepted]:
    """Accept `count` jobs of a tenant."""
    with database.write() as connection:
        jobs = [Submission(f"question {number}", tenant=tenant, priority=priority) for number in range(count)]
        return accept_jobs(connection, "test", Call(model="a"), jobs)


def fill(database: Database, tenant: str) -> Promotion:
    """Let the tenant's waiting jobs into the fast lane."""
    with database.write() as connection:
        return fill_fast_lane(connection, tenant)


def end(database: Database, *jobs: Accepted) -> None:
    """Make room."""
    with database.write() as connection:
        for job in jobs:
            cancel_job(connection, job.job_id)


def waiting(database: Database) -> list[str]:
    """Who has jobs that are to come into the fast lane now."""
    with database.read() as connection:
        return list(waiting_tenants(connection))


def test_the_first_jobs_of_each_tenant_travel_fast_and_the_others_wait(database: Database) -> None:
    bulk = accept(database, "heavy", 3 * FAST_JOBS)
    few = accept(database, "light", 5)
    assert [job.lane for job in bulk] == [Lane.FAST] * FAST_JOBS + [Lane.BULK] * 2 * FAST_JOBS
    assert {job.lane for job in few} == {Lane.FAST}
    assert fill(database, "heavy").starts == []
    end(database, bulk[0])
    assert waiting(database) == ["heavy"]


def test_a_tenant_that_is_alone_is_served_in_order_and_goes_fast_when_another_comes(database: Database) -> None:
    jobs = accept(database, "t", 2 * FAST_JOBS)
    end(database, *jobs[:FAST_JOBS])
    assert waiting(database) == []
    assert fill(database, "t").starts == []
    (later,) = accept(database, "t", 1)
    assert later.lane is Lane.BULK, "it must not overtake those that came before it"
    accept(database, "another", 1)
    assert waiting(database) == ["t"]
    assert fill(database, "t").starts == [job.job_id for job in jobs[FAST_JOBS:]]


def test_an_urgent_job_overtakes_its_own_tenants_backlog_at_once(database: Database) -> None:
    jobs = accept(database, "t", 2 * FAST_JOBS)
    end(database, *jobs[:FAST_JOBS])
    (urgent,) = accept(database, "t", 1, priority=1)
    assert urgent.lane is Lane.FAST
    assert fill(database, "t").starts == [], "the others are as urgent as each other"


def test_an_urgent_job_comes_in_with_the_first_that_leaves(database: Database) -> None:
    fast = [begin(database, Call(model="a")) for _ in range(FAST_JOBS)]
    accept(database, "default", FAST_JOBS)
    (urgent,) = accept(database, "default", 1, priority=1)
    assert urgent.lane is Lane.BULK
    assert fast[0].answer("$").frees_fast_lane_of == "default"
    assert fill(database, "default").starts == [urgent.job_id]


def test_who_leaves_the_fast_lane_makes_room_for_the_most_urgent_and_of_these_the_oldest(database: Database) -> None:
    accept(database, "another", 1)
    first = accept(database, "t", FAST_JOBS)
    plain = accept(database, "t", 3)
    urgent = accept(database, "t", 2, priority=5)
    end(database, *first[:3])
    assert fill(database, "t").starts == [urgent[0].job_id, urgent[1].job_id, plain[0].job_id]
    end(database, first[3])
    assert fill(database, "t") == Promotion([plain[1].job_id], [])
    assert fill(database, "t").starts == []


def test_the_most_urgent_of_a_batch_travel_fast(database: Database) -> None:
    with database.write() as connection:
        jobs = [Submission("x", priority=number) for number in range(2 * FAST_JOBS)]
        accepted = accept_jobs(connection, "test", Call(model="a"), jobs)
    assert [job.lane for job in accepted] == [Lane.BULK] * FAST_JOBS + [Lane.FAST] * FAST_JOBS


def test_a_running_job_that_comes_into_the_fast_lane_takes_its_ready_steps_along(database: Database) -> None:
    accept(database, "another", 1)
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    with database.write() as connection:
        connection.execute(update(Job).where(Job.id == run.job_id).values(lane=Lane.BULK))
        connection.execute(update(Step).values(lane=Lane.BULK))
    promotion = fill(database, "default")
    assert promotion.starts == []
    assert [(step.path, step.lane) for step in promotion.steps] == [("0", Lane.FAST)]
    progress = run.answer("0")
    assert [(step.path, step.lane) for step in progress.to_drive] == [("1", Lane.FAST)]
    assert run.answer("1").frees_fast_lane_of is None, "nobody waits"


def test_who_waits_is_called_when_one_message_can_start_as_many_as_there_is_room_for(database: Database) -> None:
    accept(database, "another", 1)
    fast = [begin(database, Call(model="a")) for _ in range(FAST_JOBS)]
    for run in fast[:A_MESSAGE]:
        assert run.answer("$").frees_fast_lane_of is None, "nobody waits"
    accept(database, "default", A_MESSAGE + 1)
    called = [run.answer("$").frees_fast_lane_of for run in fast[A_MESSAGE : 2 * A_MESSAGE]]
    assert called == [None] * (A_MESSAGE - 1) + ["default"]
    assert len(fill(database, "default").starts) == 1


def test_no_job_is_promoted_twice_and_all_are_in_the_end(database: Database) -> None:
    accept(database, "another", 1)
    accept(database, "t", 5 * FAST_JOBS)
    seen: set[str] = set()
    for _ in range(4):
        with database.write() as connection:
            open_ = select(Job.id).where(Job.lane == Lane.FAST, Job.finished_at.is_(None), Job.tenant == "t")
            for job_id in connection.scalars(open_).all():
                cancel_job(connection, job_id)
        promoted = set(fill(database, "t").starts)
        assert len(promoted) == FAST_JOBS
        assert not promoted & seen
        seen |= promoted
    with database.read() as connection:
        bulk = select(func.count()).select_from(Job).where(Job.lane == Lane.BULK)
        assert connection.execute(bulk).scalar_one() == 0
