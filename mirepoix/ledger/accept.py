"""Accept jobs into the ledger: the moment from which nothing may be lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from pydantic import JsonValue
from sqlalchemy import Connection, select
from ulid import ULID

from mirepoix.again import Again, require_replayable
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.contents import insert_missing, load, store
from mirepoix.ledger.lanes import read_standing
from mirepoix.ledger.rollouts import accept_shadows, draw_versions, record_versions
from mirepoix.ledger.tables import Job, PipelineVersion, now
from mirepoix.rollouts import SHADOW, NextVersion
from mirepoix.spec import Pipeline, dump, parse, version
from mirepoix.states import JobState, Lane, Latency, Store
from mirepoix.tags import require_tags
from mirepoix.webhooks import require_web_address

LONGEST_DEADLINE = 365 * 24 * 3600
MOST_URGENT = 100
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACESTATE = re.compile(r"[ -~]{1,512}")
"""What it says is its vendors' affair (W3C Trace Context, section 3.3); so many characters must be passed on."""
BATCH_WINDOW = 24 * 3600
"""Seconds within which providers answer a batch, or give it up."""


class Options(TypedDict, total=False):
    """What a submission may say beside its input; see `Submission`."""

    tenant: str
    key: str | None
    task: str | None
    max_cost: Decimal | None
    deadline: float | None
    latency: Latency | str | None
    priority: int
    stream: bool
    traceparent: str | None
    tracestate: str | None
    tags: Mapping[str, str]
    callback: str | None


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to accept.

    `key`: the idempotency key; the same tenant and key give the same job. `task`: the kind of work, for routes by
    task. `max_cost`: USD that its calls may cost at the most. `deadline`: seconds from now until it fails.
    `latency`: whether its calls may wait for a `batch` or are asked `now`; left out, those of a job whose deadline
    is more than a day away may wait (docs/batches.md). Of a tenant's jobs that wait, those with the highest
    `priority` are served first. `stream`: tell the answer while it comes. `tags` are texts by name, by which costs
    can be summed. `callback`: the URL that is told of its end (docs/costs.md). `traceparent` and `tracestate`: the
    W3C trace context that the job goes on from; left out, that of the submission itself. `again`: what it takes
    over from a job that it runs again. `shadow_of`: the job that it answers once more, unseen.
    """

    input: JsonValue
    tenant: str = "default"
    key: str | None = None
    task: str | None = None
    max_cost: Decimal | None = None
    deadline: float | None = None
    latency: Latency | str | None = None
    priority: int = 0
    stream: bool = False
    traceparent: str | None = None
    tracestate: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    callback: str | None = None
    again: Again | None = None
    shadow_of: str | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a bound that cannot be meant."""
        if self.tenant == SHADOW and self.shadow_of is None:
            raise InputError(f"tenant {SHADOW!r} is the house's own, which pays for shadows; choose another name.")
        if self.max_cost is not None and not (self.max_cost >= 0 and self.max_cost == round(self.max_cost, 12)):
            raise InputError(f"max_cost is {self.max_cost}; it must be USD, at least 0, to 12 decimal places.")
        if self.deadline is not None and not 0 < self.deadline <= LONGEST_DEADLINE:
            raise InputError(f"deadline is {self.deadline}; it must be seconds, above 0, at most {LONGEST_DEADLINE}.")
        if self.latency is not None and self.latency not in list(Latency):
            raise InputError(f"latency is {self.latency!r}; it must be {' or '.join(Latency)}.")
        if self.latency == Latency.BATCH and (self.stream or not _leaves_room(self.deadline)):
            raise InputError(
                "latency is 'batch': a batch may take a day and is told as a whole; leave stream out, and give no "
                f"deadline or one above {BATCH_WINDOW} s."
            )
        if not -MOST_URGENT <= self.priority <= MOST_URGENT:
            raise InputError(f"priority is {self.priority}; it must lie between -{MOST_URGENT} and {MOST_URGENT}.")
        if self.traceparent is not None and not TRACEPARENT.fullmatch(self.traceparent):
            raise InputError("traceparent must be of the form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>.")
        if self.tracestate is not None and not (self.traceparent and TRACESTATE.fullmatch(self.tracestate)):
            raise InputError("tracestate goes with a traceparent, and is printable ASCII, at most 512 characters.")
        require_tags(self.tags)
        if self.callback is not None:
            require_web_address(self.callback)

    @property
    def may_wait(self) -> bool:
        """Whether its calls may wait for a batch."""
        return may_wait(self.latency, self.deadline, stream=self.stream)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The id of a job; `fresh` is False when its idempotency key was known and the id is of the job before it.

    `shadow` is the job that answers it once more, unseen.
    """

    job_id: str
    fresh: bool
    lane: Lane
    shadow: str | None = None


def may_wait(latency: str | None, deadline: float | None, *, stream: bool) -> bool:
    """Whether the calls of a job with these options may wait for a batch."""
    late_enough = deadline is not None and _leaves_room(deadline) and not stream
    return latency == Latency.BATCH or (latency is None and late_enough)


def accept_jobs(
    connection: Connection, pipeline: str, spec: Pipeline, jobs: Sequence[Submission], new: NextVersion | None = None
) -> list[Accepted]:
    """Write `jobs` in the transaction of `connection`; the same tenant and key give the same job.

    With a `new` version of the pipeline some go there, or are shadowed. The reconciler publishes what the producer
    accepted but did not publish.
    """
    moment = now()
    name = version(spec)
    _keep_versions(connection, {name: spec} if new is None else {name: spec, new.version: new.spec}, moment)
    hashes = store(connection, [job.input for job in jobs])
    lanes = _lanes(connection, jobs)
    rows = [
        _row(job, pipeline, spec, name, hash_, lane, moment)
        for job, hash_, lane in zip(jobs, hashes, lanes, strict=True)
    ]
    drawn = [] if new is None else draw_versions(connection, new, rows)
    for row, way in zip(rows, drawn, strict=False):
        row["canary"] = way.canary
        if new is not None and way.canary:
            row["version"] = new.version
    if rows:
        connection.execute(insert_missing(connection, Job), rows)
    ids = [row["id"] for row in rows]
    accepted = _who_was_first(connection, ids, jobs, lanes)
    if new is None:
        return accepted
    fresh = {job.job_id for job in accepted if job.fresh}
    ways = {id_: way for id_, way in zip(ids, drawn, strict=False) if id_ in fresh}
    record_versions(connection, ways, moment)
    shadows = accept_shadows(connection, new, [row for row in rows if row["id"] in fresh])
    return [replace(job, shadow=shadows.get(job.job_id) if job.fresh else None) for job in accepted]


def accept_again(connection: Connection, again: Again) -> list[Accepted]:
    """Write a job like `again.job`, which takes over from it what `again` says; raises NotFound, NotReplayable."""
    query = select(
        Job.pipeline,
        Job.tenant,
        Job.task,
        Job.priority,
        Job.input_hash,
        Job.store,
        Job.filed_at,
        Job.max_cost.label("max_cost"),
        Job.shadow_of,
        PipelineVersion.spec,
    ).join(PipelineVersion, PipelineVersion.version == Job.version)
    job = connection.execute(query.where(Job.id == again.job)).one_or_none()
    if job is None:
        raise NotFound(f"no job {again.job!r} in this ledger. `mirepoix jobs` lists them.")
    require_replayable(again.job, Store(job.store), filed=job.filed_at is not None)
    given = load(connection, [job.input_hash])[job.input_hash]
    like = Submission(
        given,
        tenant=job.tenant,
        task=job.task,
        max_cost=job.max_cost,
        priority=job.priority,
        again=again,
        shadow_of=job.shadow_of,
    )
    return accept_jobs(connection, job.pipeline, parse(job.spec), [like])


def _leaves_room(deadline: float | None) -> bool:
    return deadline is None or deadline > BATCH_WINDOW


def _keep_versions(connection: Connection, specs: Mapping[str, Pipeline], moment: datetime) -> None:
    rows = [{"version": name, "spec": dump(specs[name]), "created_at": moment} for name in sorted(specs)]
    connection.execute(insert_missing(connection, PipelineVersion), rows)


def _row(
    job: Submission, pipeline: str, spec: Pipeline, name: str, hash_: str, lane: Lane, moment: datetime
) -> dict[str, Any]:
    return {
        "id": str(ULID()),
        "tenant": job.tenant,
        "key": job.key,
        "pipeline": pipeline,
        "version": name,
        "state": JobState.QUEUED,
        "input_hash": hash_,
        "store": spec.store or Store.FULL,
        "task": job.task,
        "lane": lane,
        "priority": job.priority,
        "max_cost": job.max_cost,
        "deadline_at": None if job.deadline is None else moment + timedelta(seconds=job.deadline),
        "batch": job.may_wait,
        "stream": job.stream,
        "traceparent": job.traceparent,
        "tracestate": job.tracestate,
        "tags": dict(job.tags),
        "callback": job.callback,
        "again": None if job.again is None else job.again.model_dump(mode="json"),
        "shadow_of": job.shadow_of,
        "canary": None,
        "due_at": moment,
        "drives": 0,
        "created_at": moment,
    }


def _lanes(connection: Connection, jobs: Sequence[Submission]) -> list[Lane]:
    """The fast lane for the most urgent jobs of each tenant, as far as there is room in it; none that may wait."""
    standing = {tenant: read_standing(connection, tenant) for tenant in {job.tenant for job in jobs}}
    room = Counter({tenant: stands.room for tenant, stands in standing.items()})
    lanes = [Lane.BULK] * len(jobs)
    for index in sorted(range(len(jobs)), key=lambda index: (-jobs[index].priority, index)):
        job = jobs[index]
        if room[job.tenant] > 0 and standing[job.tenant].lets_in(job.priority) and not job.may_wait:
            room[job.tenant] -= 1
            lanes[index] = Lane.FAST
    return lanes


def _who_was_first(
    connection: Connection, ids: list[str], jobs: Sequence[Submission], lanes: list[Lane]
) -> list[Accepted]:
    keyed = {(job.tenant, job.key) for job in jobs if job.key is not None}
    earlier: dict[tuple[str, str | None], str] = {}
    for tenant in sorted({tenant for tenant, _ in keyed}):
        keys = sorted(key for owner, key in keyed if owner == tenant and key is not None)
        for start in range(0, len(keys), 500):
            query = select(Job.key, Job.id).where(Job.tenant == tenant, Job.key.in_(keys[start : start + 500]))
            earlier.update({(tenant, key): id_ for key, id_ in connection.execute(query)})
    firsts = [earlier.get((job.tenant, job.key), id_) for id_, job in zip(ids, jobs, strict=True)]
    return [Accepted(first, first == id_, lane) for first, id_, lane in zip(firsts, ids, lanes, strict=True)]
