"""create the ledger"""

import re

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORDS_ON_SQLITE = """
CREATE VIRTUAL TABLE job_words USING fts5
    (words, content='job_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER job_texts_added AFTER INSERT ON job_texts BEGIN
    INSERT INTO job_words (rowid, words) VALUES (new.id, new.words); END;
CREATE TRIGGER job_texts_gone AFTER DELETE ON job_texts BEGIN
    INSERT INTO job_words (job_words, rowid, words) VALUES ('delete', old.id, old.words); END;
"""
"""The full-text index, and the triggers that keep it (sqlite.org/fts5.html, 4.4.3): alembic writes neither."""
WORDS_ON_POSTGRESQL = "CREATE INDEX ix_job_texts_words ON job_texts USING gin (words);"
TABLES = (
    "contents",
    "pipelines",
    "workers",
    "tenant_periods",
    "api_keys",
    "quarantine",
    "canary_changes",
    "jobs",
    "attempts",
    "batches",
    "deliveries",
    "decisions",
    "steps",
    "step_events",
    "job_texts",
    "feedback",
    "trained_files",
    "trained_versions",
)
"""In the order in which they are created."""


def upgrade() -> None:
    """Create all tables, each after those that it refers to."""
    _create_what_is_kept_once()
    _create_the_house()
    _create_the_doors()
    _create_canary_changes()
    _create_jobs()
    _index_jobs()
    _create_attempts()
    _create_batches()
    _create_deliveries()
    _create_decisions()
    _create_steps()
    _create_step_events()
    _create_the_words()
    _create_what_is_learned()


def _create_what_is_kept_once() -> None:
    """Texts by their hash, pipelines by their version."""
    op.create_table(
        "contents",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "pipelines",
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )


def _create_the_house() -> None:
    """Worker processes, and what tenants have spent."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("alive", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tenant_periods",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("spent_picousd", sa.BigInteger(), nullable=False),
        sa.Column("reserved_picousd", sa.BigInteger(), nullable=False),
        sa.Column("cap_picousd", sa.BigInteger(), nullable=False),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "period"),
    )


def _create_the_doors() -> None:
    """API keys, and messages that were not let in."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("rpm", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quarantine",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("queue", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
    )


def _create_canary_changes() -> None:
    """When canaries began, were stopped and went on."""
    op.create_table(
        "canary_changes",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "version", "number"),
    )


def _create_jobs() -> None:
    """One row for each submission."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("input_hash", sa.String(length=64), nullable=False),
        sa.Column("output_hash", sa.String(length=64), nullable=True),
        sa.Column("store", sa.String(length=8), server_default="full", nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("task", sa.String(length=64), nullable=True),
        sa.Column("error_kind", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lane", sa.String(length=4), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("max_cost_picousd", sa.BigInteger(), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=True),
        sa.Column("tracestate", sa.String(length=512), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("callback", sa.Text(), nullable=True),
        sa.Column("again", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("shadow_of", sa.String(length=26), nullable=True),
        sa.Column("canary", sa.Boolean(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drives", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["version"], ["pipelines.version"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "key"),
    )


def _index_jobs() -> None:
    """By time, owner and input; and for each question that the house asks again and again."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_created", ["created_at"], unique=False)
        batch_op.create_index("ix_jobs_pipeline", ["pipeline", "created_at"], unique=False)
        batch_op.create_index("ix_jobs_tenant", ["tenant", "created_at"], unique=False)
        batch_op.create_index("ix_jobs_input", ["input_hash"], unique=False)
        _index_where(
            batch_op, "ix_jobs_to_file", ["store", "finished_at"], "filed_at IS NULL AND finished_at IS NOT NULL"
        )
        _index_where(batch_op, "ix_jobs_succeeded", ["created_at"], "state = 'succeeded'")
        _index_where(batch_op, "ix_jobs_failed", ["created_at"], "state = 'failed'")
        _index_where(batch_op, "ix_jobs_cancelled", ["created_at"], "state = 'cancelled'")
        _index_where(batch_op, "ix_jobs_turn", ["batch", "lane", "tenant", "priority", "id"], "finished_at IS NULL")
        _index_where(
            batch_op, "ix_jobs_canary", ["pipeline", "created_at", "canary", "version", "state"], "canary IS NOT NULL"
        )
        _index_where(batch_op, "ix_jobs_shadow", ["shadow_of"], "shadow_of IS NOT NULL")
        _index_where(batch_op, "ix_jobs_deadline", ["deadline_at"], "deadline_at IS NOT NULL AND finished_at IS NULL")
        _index_where(batch_op, "ix_jobs_open", ["lane", "due_at"], "due_at IS NOT NULL")


def _create_attempts() -> None:
    """One row for each request to a provider."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("wire_name", sa.String(length=200), nullable=False),
        sa.Column("prompt_hash", sa.String(length=64), nullable=False),
        sa.Column("answer_hash", sa.String(length=64), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error_kind", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finish_reason", sa.String(length=40), nullable=True),
        sa.Column("logprob", sa.Double(), nullable=True),
        sa.Column("form", sa.String(length=10), nullable=True),
        sa.Column("cached_from", sa.BigInteger(), nullable=True),
        sa.Column("batch", sa.String(length=26), nullable=True),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=True),
        sa.Column("output_tokens", sa.Integer(), nullable=True),
        sa.Column("cached_tokens", sa.Integer(), nullable=True),
        sa.Column("cache_write_tokens", sa.Integer(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("reserved_picousd", sa.BigInteger(), nullable=False),
        sa.Column("cost_picousd", sa.BigInteger(), nullable=True),
        sa.Column("latency", sa.Double(), nullable=True),
        sa.Column("limit_wait", sa.Double(), nullable=True),
        sa.Column("limit_reason", sa.String(length=20), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "path", "epoch", "number"),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_started", ["started_at"], unique=False)
        batch_op.create_index("ix_attempts_prompt", ["prompt_hash"], unique=False)
        batch_op.create_index("ix_attempts_model", ["model", "job_id"], unique=False)
        batch_op.create_index("ix_attempts_provider", ["provider", "job_id"], unique=False)
        _index_where(batch_op, "ix_attempts_batch", ["batch"], "batch IS NOT NULL")
        _index_where(batch_op, "ix_attempts_answer", ["answer_hash"], "answer_hash IS NOT NULL")


def _create_batches() -> None:
    """Calls that are sent to their provider together."""
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("remote_id", sa.String(length=200), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=26), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        _index_where(batch_op, "ix_batches_gathering", ["provider", "model"], "state = 'gathering'", unique=True)
        for column in ("due_at", "holder"):
            _index_where(batch_op, f"ix_batches_{column.removesuffix('_at')}", [column], f"{column} IS NOT NULL")


def _create_deliveries() -> None:
    """The outbox of webhooks."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=26), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret_env", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_created", ["created_at"], unique=False)
        batch_op.create_index("ix_deliveries_job", ["job_id"], unique=False)
        _index_where(batch_op, "ix_deliveries_due", ["due_at"], "due_at IS NOT NULL")


def _create_decisions() -> None:
    """What routers, gates and reducers chose."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("choice", sa.String(length=400), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("trained", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "path", "epoch"),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        _index_where(batch_op, "ix_decisions_trained", ["trained"], "trained IS NOT NULL")


def _create_steps() -> None:
    """The nodes of pipelines at run time."""
    op.create_table(
        "steps",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("parent", sa.String(length=400), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(length=4), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("feeds", sa.JSON(), nullable=False),
        sa.Column("driven", sa.Boolean(), nullable=False),
        sa.Column("drives", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued", sa.Double(), server_default="0", nullable=False),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=26), nullable=True),
        sa.Column("task_id", sa.String(length=128), nullable=True),
        sa.Column("model", sa.String(length=64), nullable=True),
        sa.Column("provider", sa.String(length=64), nullable=True),
        sa.Column("output_hash", sa.String(length=64), nullable=True),
        sa.Column("error_kind", sa.String(length=32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "path"),
    )
    with op.batch_alter_table("steps", schema=None) as batch_op:
        _index_where(batch_op, "ix_steps_due", ["provider", "lane", "due_at"], "due_at IS NOT NULL")
        _index_where(batch_op, "ix_steps_holder", ["holder"], "holder IS NOT NULL")
        _index_where(batch_op, "ix_steps_wake", ["wake_at"], "wake_at IS NOT NULL AND finished_at IS NULL")
        _index_where(batch_op, "ix_steps_output", ["output_hash"], "output_hash IS NOT NULL")


def _create_step_events() -> None:
    """What happened to steps out of the common."""
    op.create_table(
        "step_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.String(length=400), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_step_events_job", "step_events", ["job_id"], unique=False)


def _create_the_words() -> None:
    """The words of ended jobs, and the index to find them by."""
    op.create_table(
        "job_texts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id"),
    )
    words = WORDS_ON_SQLITE if op.get_bind().dialect.name == "sqlite" else WORDS_ON_POSTGRESQL
    for statement in re.split(r";\n(?=CREATE)|;\n*$", words.strip()):
        if statement:
            op.execute(statement)


def _create_what_is_learned() -> None:
    """How good answers were, and the files that were trained on that."""
    op.create_table(
        "feedback",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "source"),
    )
    op.create_table(
        "trained_files",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "trained_versions",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["hash"], ["trained_files.hash"]),
        sa.PrimaryKeyConstraint("name", "hash"),
    )


def _index_where(batch_op: BatchOperations, name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    """An index of the rows of which `where` holds."""
    of = sa.text(where)
    batch_op.create_index(name, columns, unique=unique, sqlite_where=of, postgresql_where=of)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE job_words")
    for table in reversed(TABLES):
        op.drop_table(table)
