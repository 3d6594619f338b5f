"""Traces as a table: one row a job. Needs pyarrow (`mirepoix[parquet]`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from gzip import GzipFile
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mirepoix.views import ExportedTrace

ROWS = 500
"""In a row group, and so in memory."""
SCHEMA = pa.schema(
    [
        ("job", pa.string()),
        ("pipeline", pa.string()),
        ("version", pa.string()),
        ("state", pa.string()),
        ("tenant", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("finished_at", pa.timestamp("us", tz="UTC")),
        ("queued_s", pa.float64()),
        ("latency_s", pa.float64()),
        ("cost_usd", pa.decimal128(38, 12)),
        ("models", pa.list_(pa.string())),
        ("attempts", pa.int32()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("input", pa.string()),
        ("output", pa.string()),
        ("error", pa.string()),
        ("trace", pa.string()),
    ]
)
"""`input`, `output` and `trace` are JSON; `trace` is what the line of the JSONL export holds."""


def write_parquet(traces: Iterable[ExportedTrace], to: IO[bytes] | GzipFile) -> None:
    """Write `traces` to a file, some at a time."""
    waiting: Iterator[ExportedTrace] = iter(traces)
    with pq.ParquetWriter(to, SCHEMA, compression="zstd") as writer:
        while some := list(islice(waiting, ROWS)):
            writer.write_table(pa.Table.from_pylist([_row(trace) for trace in some], schema=SCHEMA))


def _row(trace: ExportedTrace) -> dict[str, Any]:
    attempts = [(call, attempt) for step in trace.steps for call in step.calls for attempt in call.attempts]
    return {
        **{name: getattr(trace, name) for name in ("job", "pipeline", "version", "tenant", "error")},
        **{name: getattr(trace, name) for name in ("created_at", "finished_at", "queued_s", "latency_s", "cost_usd")},
        "state": trace.state.value,
        "models": list(dict.fromkeys(call.model for call, _ in attempts)),
        "attempts": len(attempts),
        "input_tokens": sum(attempt.input_tokens or 0 for _, attempt in attempts),
        "output_tokens": sum(attempt.output_tokens or 0 for _, attempt in attempts),
        "input": json.dumps(trace.input),
        "output": json.dumps(trace.output),
        "trace": json.dumps(trace.model_dump(mode="json")),
    }
