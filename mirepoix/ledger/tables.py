"""The tables of the ledger. They are a contract: producers write jobs here, and people query them with SQL.

Money is stored as whole picodollars (USD x 10^-12), so that sums are exact on every database; Python sees `Decimal`.
Times are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

PICODOLLARS = Decimal(10) ** 12


class Usd(TypeDecorator[Decimal]):
    """`Decimal` USD in Python, whole picodollars in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Refuse what would lose a digit."""
        if value is None:
            return None
        pico = value * PICODOLLARS
        if pico != int(pico):
            raise ValueError(f"{value} USD has more than 12 decimal places.")
        return int(pico)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Sums come back as int (SQLite) or Decimal (PostgreSQL)."""
        return None if value is None else Decimal(value) / PICODOLLARS


class Utc(TypeDecorator[datetime]):
    """A time-zone aware datetime in UTC, also where the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The registry of the tables below."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {Decimal: Usd, datetime: Utc, dict[str, Any]: JSON, list[str]: JSON}


AutoId = BigInteger().with_variant(Integer, "sqlite")


class Content(Base):
    """A text that was put in or came out, stored once under the SHA-256 of its JSON form.

    Others refer to it by that hash, not by a foreign key: it goes when its jobs are not to be kept (`Job.store`), and
    the hash remains.
    """

    __tablename__ = "contents"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class PipelineVersion(Base):
    """What a pipeline was when jobs were submitted to it."""

    __tablename__ = "pipelines"

    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    spec: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Job(Base):
    """One submission. `key` is the producer's idempotency key, unique per tenant.

    `due_at` is since when it waits to be started, `drives` how often the reconciler has sent it again. `lane` says in
    which queues it travels, `priority` which of its tenant's jobs change to the fast lane first. `max_cost` bounds what
    its calls may cost; at `deadline_at` it fails. `batch`: its calls may wait for a batch of their provider's.
    `stream`: its answer is told to who listens while it comes. `tags` are the producer's own words on it, texts by
    name. Its end is told to the address `callback`. `traceparent` and `tracestate` are the W3C trace context that
    it goes on from. `again`: which job this one runs again, and what it takes over from it (`mirepoix.again`).
    `store` says what is kept of its texts, `filed_at` since when only that is. `shadow_of`: the job that another
    version answered for its caller. `canary`: whether it went to the next version of its pipeline; NULL where
    nothing was drawn (`mirepoix.rollouts`).
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Unique("tenant", "key"),
        Index(
            "ix_jobs_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_jobs_created", "created_at"),
        Index("ix_jobs_pipeline", "pipeline", "created_at"),
        Index("ix_jobs_tenant", "tenant", "created_at"),
        Index("ix_jobs_input", "input_hash"),
        Index(
            "ix_jobs_to_file",
            "store",
            "finished_at",
            sqlite_where=text("filed_at IS NULL AND finished_at IS NOT NULL"),
            postgresql_where=text("filed_at IS NULL AND finished_at IS NOT NULL"),
        ),
        Index(
            "ix_jobs_succeeded",
            "created_at",
            sqlite_where=text("state = 'succeeded'"),
            postgresql_where=text("state = 'succeeded'"),
        ),
        Index(
            "ix_jobs_failed",
            "created_at",
            sqlite_where=text("state = 'failed'"),
            postgresql_where=text("state = 'failed'"),
        ),
        Index(
            "ix_jobs_cancelled",
            "created_at",
            sqlite_where=text("state = 'cancelled'"),
            postgresql_where=text("state = 'cancelled'"),
        ),
        Index(
            "ix_jobs_turn",
            "batch",
            "lane",
            "tenant",
            "priority",
            "id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index(
            "ix_jobs_canary",
            "pipeline",
            "created_at",
            "canary",
            "version",
            "state",
            sqlite_where=text("canary IS NOT NULL"),
            postgresql_where=text("canary IS NOT NULL"),
        ),
        Index(
            "ix_jobs_shadow",
            "shadow_of",
            sqlite_where=text("shadow_of IS NOT NULL"),
            postgresql_where=text("shadow_of IS NOT NULL"),
        ),
        Index(
            "ix_jobs_deadline",
            "deadline_at",
            sqlite_where=text("deadline_at IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=text("deadline_at IS NOT NULL AND finished_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    key: Mapped[str | None] = mapped_column(String(200))
    pipeline: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(ForeignKey("pipelines.version"))
    state: Mapped[str] = mapped_column(String(10))
    input_hash: Mapped[str] = mapped_column(String(64))
    output_hash: Mapped[str | None] = mapped_column(String(64))
    store: Mapped[str] = mapped_column(String(8), server_default="full")
    filed_at: Mapped[datetime | None]
    task: Mapped[str | None] = mapped_column(String(64))
    error_kind: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(String(4))
    priority: Mapped[int]
    max_cost: Mapped[Decimal | None] = mapped_column("max_cost_picousd", Usd, key="max_cost")
    deadline_at: Mapped[datetime | None]
    batch: Mapped[bool] = mapped_column(Boolean)
    stream: Mapped[bool] = mapped_column(Boolean)
    traceparent: Mapped[str | None] = mapped_column(String(55))
    tracestate: Mapped[str | None] = mapped_column(String(512))
    tags: Mapped[dict[str, Any]]
    callback: Mapped[str | None] = mapped_column(Text)
    again: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    shadow_of: Mapped[str | None] = mapped_column(String(26))
    canary: Mapped[bool | None] = mapped_column(Boolean)
    due_at: Mapped[datetime | None]
    drives: Mapped[int]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Step(Base):
    """A node of a job's pipeline at run time, unique by (job, path).

    It may be claimed while it is not ended, nobody holds it (`holder`) and nothing it needs is `missing`; `due_at` is
    set exactly then, to since when it waits. At `wake_at` it is made ready whatever is missing. `drives` counts how
    often the reconciler has sent it again since its last claim, `crashes` the processes that died with it in their
    hands. `lane` is its job's. `feeds` are the paths of the steps that wait for this one. `driven`: the canvas no
    longer leads here, so whoever makes it ready publishes it. `epoch` rises with every claim, and when a claimed step
    puts steps below itself: what comes under an older one never wins. `ready_at` is since when it was last ready,
    `queued` for how many seconds, in all, it was ready before it was claimed. `task_id` is the Celery task that claimed
    it last.
    """

    __tablename__ = "steps"
    __table_args__ = (
        Index(
            "ix_steps_due",
            "provider",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_steps_holder",
            "holder",
            sqlite_where=text("holder IS NOT NULL"),
            postgresql_where=text("holder IS NOT NULL"),
        ),
        Index(
            "ix_steps_wake",
            "wake_at",
            sqlite_where=text("wake_at IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=text("wake_at IS NOT NULL AND finished_at IS NULL"),
        ),
        Index(
            "ix_steps_output",
            "output_hash",
            sqlite_where=text("output_hash IS NOT NULL"),
            postgresql_where=text("output_hash IS NOT NULL"),
        ),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(String(400), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    parent: Mapped[str | None] = mapped_column(String(400))
    position: Mapped[int]
    lane: Mapped[str] = mapped_column(String(4))
    state: Mapped[str] = mapped_column(String(10))
    missing: Mapped[int]
    feeds: Mapped[list[str]]
    driven: Mapped[bool] = mapped_column(Boolean)
    drives: Mapped[int]
    crashes: Mapped[int]
    due_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    queued: Mapped[float] = mapped_column(server_default="0")
    wake_at: Mapped[datetime | None]
    epoch: Mapped[int]
    holder: Mapped[str | None] = mapped_column(String(26))
    task_id: Mapped[str | None] = mapped_column(String(128))
    model: Mapped[str | None] = mapped_column(String(64))
    provider: Mapped[str | None] = mapped_column(String(64))
    output_hash: Mapped[str | None] = mapped_column(String(64))
    error_kind: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Decision(Base):
    """What a router, gate or reducer chose, and why; under the path `@`, which version of its pipeline a job got.

    `trained` is the hash of the trained file that was asked.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Unique("job_id", "path", "epoch"),
        Index(
            "ix_decisions_trained",
            "trained",
            sqlite_where=text("trained IS NOT NULL"),
            postgresql_where=text("trained IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(400))
    epoch: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    choice: Mapped[str] = mapped_column(String(400))
    reason: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(Float)
    features: Mapped[dict[str, Any]]
    trained: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Attempt(Base):
    """One request to a provider: written before it is sent, completed whatever comes back. `batch`: it was part of one.

    A row without `finished_at` whose step has moved on is a request of unknown outcome. `reserved` is what it was
    expected to cost at the most; it counts against budgets until `cost` is known, or that there is none. `logprob` is
    the mean log-probability of the answer's tokens, where the provider tells it. `form` says as what the JSON stood in
    an answer that had to fit a schema. `limit_wait` is for how many seconds it waited for leave to be sent, and
    `limit_reason` why at first. `cached_from` is the id of the attempt whose answer was taken instead of asking;
    that one may be gone.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Unique("job_id", "path", "epoch", "number"),
        Index("ix_attempts_started", "started_at"),
        Index("ix_attempts_prompt", "prompt_hash"),
        Index("ix_attempts_model", "model", "job_id"),
        Index("ix_attempts_provider", "provider", "job_id"),
        Index(
            "ix_attempts_batch",
            "batch",
            sqlite_where=text("batch IS NOT NULL"),
            postgresql_where=text("batch IS NOT NULL"),
        ),
        Index(
            "ix_attempts_answer",
            "answer_hash",
            sqlite_where=text("answer_hash IS NOT NULL"),
            postgresql_where=text("answer_hash IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(400))
    epoch: Mapped[int]
    number: Mapped[int]
    provider: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(64))
    wire_name: Mapped[str] = mapped_column(String(200))
    prompt_hash: Mapped[str] = mapped_column(String(64))
    answer_hash: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[int | None]
    error_kind: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    finish_reason: Mapped[str | None] = mapped_column(String(40))
    logprob: Mapped[float | None]
    form: Mapped[str | None] = mapped_column(String(10))
    cached_from: Mapped[int | None] = mapped_column(BigInteger)
    batch: Mapped[str | None] = mapped_column(String(26))
    request_id: Mapped[str | None] = mapped_column(String(200))
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    cache_write_tokens: Mapped[int | None]
    estimated: Mapped[bool] = mapped_column(Boolean)
    reserved: Mapped[Decimal] = mapped_column("reserved_picousd", Usd, key="reserved")
    cost: Mapped[Decimal | None] = mapped_column("cost_picousd", Usd, key="cost")
    latency: Mapped[float | None]
    limit_wait: Mapped[float | None]
    limit_reason: Mapped[str | None] = mapped_column(String(20))
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Batch(Base):
    """Calls of one model that are sent to its provider as one batch; it holds their steps as a process does (`holder`).

    `requests` and `bytes` are what it has gathered, `remote_id` what the provider calls it. `due_at` is set while it
    waits for somebody to look after it, to when; who does is its `holder`, under an `epoch` of its own. `failures` is
    how often in a row that did not succeed, `error` why.
    """

    __tablename__ = "batches"
    __table_args__ = (
        Index(
            "ix_batches_gathering",
            "provider",
            "model",
            unique=True,
            sqlite_where=text("state = 'gathering'"),
            postgresql_where=text("state = 'gathering'"),
        ),
        Index(
            "ix_batches_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_batches_holder",
            "holder",
            sqlite_where=text("holder IS NOT NULL"),
            postgresql_where=text("holder IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10))
    requests: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    remote_id: Mapped[str | None] = mapped_column(String(200))
    epoch: Mapped[int]
    holder: Mapped[str | None] = mapped_column(String(26))
    failures: Mapped[int]
    error: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class StepEvent(Base):
    """Something out of the common that happened to a step, or under the path `start` to a job before it had any."""

    __tablename__ = "step_events"
    __table_args__ = (Index("ix_step_events_job", "job_id"),)

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(400))
    kind: Mapped[str] = mapped_column(String(12))
    detail: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime]


class JobText(Base):
    """The words of a job's input and output, in plain form, as the full-text index takes them.

    On SQLite the index is the FTS5 table `job_words` beside it, which triggers keep; on PostgreSQL it is a GIN index.
    """

    __tablename__ = "job_texts"

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR, "postgresql"))


class Worker(Base):
    """A worker process. `beat` rises while it lives; one whose beat stands still loses the steps it holds."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    queues: Mapped[list[str]]
    beat: Mapped[int] = mapped_column(BigInteger)
    alive: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class TenantPeriod(Base):
    """What the calls of a tenant with a cap cost on one day (`2026-11-25`, UTC) or in one month (`2026-11`).

    `spent` is what is known, or must be feared, to be billed; `reserved` is what the calls in flight may still cost.
    `cap` and `alerts` are those that held at the last reserve: whoever settles a call need not know the configuration.
    `told` are the alerts that have been written down for this period, by their key.
    """

    __tablename__ = "tenant_periods"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    spent: Mapped[Decimal] = mapped_column("spent_picousd", Usd, key="spent")
    reserved: Mapped[Decimal] = mapped_column("reserved_picousd", Usd, key="reserved")
    cap: Mapped[Decimal] = mapped_column("cap_picousd", Usd, key="cap")
    alerts: Mapped[list[Any]] = mapped_column(JSON)
    told: Mapped[list[str]]


class Delivery(Base):
    """A webhook that is to be sent, or was: the outbox of the ledger and its log in one.

    Written in the transaction that ends the job (`job_id`), or in which a budget passes a threshold (`payload`).
    `due_at` is set while it is to be sent, to when it is next tried; who takes it puts that off, so that it comes back
    if its sender dies. `status` and `error` are of the last try, at `tried_at`.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(
            "ix_deliveries_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_deliveries_created", "created_at"),
        Index("ix_deliveries_job", "job_id"),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    event: Mapped[str] = mapped_column(String(20))
    tenant: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    payload: Mapped[dict[str, Any]]
    url: Mapped[str] = mapped_column(Text)
    secret_env: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]


class CanaryChange(Base):
    """A canary began, was stopped, or went on; the highest `number` of a pipeline and a version says how it stands.

    `version` is that of the pipeline `target`, to which a share of the jobs of `pipeline` goes. `figures` are those by
    which it was stopped.
    """

    __tablename__ = "canary_changes"

    pipeline: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    target: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    figures: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Quarantined(Base):
    """A message that no task could be made of, kept once under the SHA-256 of its bytes however often it came."""

    __tablename__ = "quarantine"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    queue: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    sample: Mapped[str] = mapped_column(Text)
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class Feedback(Base):
    """What a `source` thinks of a job's answer, a `score` from 0 to 1, in place of what it thought before."""

    __tablename__ = "feedback"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str] = mapped_column(String(10), primary_key=True)
    score: Mapped[float] = mapped_column(Float)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class TrainedFile(Base):
    """The bytes of a trained router or answer policy, stored once under their SHA-256 whoever refers to them."""

    __tablename__ = "trained_files"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[bytes]


class TrainedVersion(Base):
    """A version of what was trained under a name. The one that was promoted last is the one that decides.

    `report` is what it was trained on and how good it was on questions kept from it; `reason` is why it was promoted
    although it was not better than the one before.
    """

    __tablename__ = "trained_versions"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    hash: Mapped[str] = mapped_column(ForeignKey("trained_files.hash"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    report: Mapped[dict[str, Any]]
    trained_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class ApiKey(Base):
    """A key to the HTTP front door. Only the SHA-256 of its secret is kept; a revoked key stays, so that it is known.

    `rpm` is how many requests of a minute it may make (None: no limit).
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    tenant: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    rpm: Mapped[int | None]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
