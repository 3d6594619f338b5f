"""Seconds between two moments, in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Elapsed(FunctionElement[float]):
    """`Elapsed(start, end)`: seconds."""

    type = Float()
    inherit_cache = True


@compiles(Elapsed, "postgresql")
def _on_postgresql(element: Elapsed, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"extract(epoch FROM CAST({end} AS timestamptz) - {start})"


@compiles(Elapsed, "sqlite")
def _on_sqlite(element: Elapsed, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"
