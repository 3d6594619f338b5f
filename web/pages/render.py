"""Pages from templates: everything is escaped, and what models said is spelled out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from mirepoix.ledger.tables import now
from mirepoix.views import usd_text
from web.pages.paths import path_of
from web.pages.plain import as_text, excerpt, one_line, plain

TEMPLATES = Path(__file__).parent / "templates"
SECTIONS = (
    ("overview", "Overview"),
    ("jobs", "Jobs"),
    ("pipelines", "Pipelines"),
    ("costs", "Costs"),
    ("router", "Router"),
)


def render(request: Request, template: str, /, code: int = 200, **values: Any) -> HTMLResponse:
    """The page `template` with `values`."""
    links = {"path": partial(path_of, request), "here": request.url.path, "sections": SECTIONS}
    return HTMLResponse(PAGES.get_template(template).render(**links, **values), code)


def usd(amount: Decimal | None, digits: int = 4) -> str:
    """`$0.0012`: rounded for the eye; exact where it is less than a unit of the last digit."""
    if amount is None:
        return "-"
    if amount and abs(amount) < Decimal(1).scaleb(-digits):
        return f"${usd_text(amount)}"
    return f"${amount:,.2f}" if abs(amount) >= 100 else f"${amount:.{digits}f}"


def seconds(value: float | timedelta | None) -> str:
    """`340 ms`, `2.1 s`, `4 min`, `3 h`, `2 d`."""
    if value is None:
        return "-"
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if length < 1:
        return f"{length * 1000:.0f} ms"
    for unit, size, below in (("s", 1.0, 120.0), ("min", 60.0, 7200.0), ("h", 3600.0, 172_800.0)):
        if length < below:
            return f"{length / size:.1f} {unit}" if length / size < 10 else f"{length / size:.0f} {unit}"
    return f"{length / 86_400:.0f} d"


def moment(value: datetime | None) -> str:
    """`2026-11-25 02:40:17`, UTC."""
    return "-" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def ago(value: datetime | None) -> str:
    """How long ago, as `seconds` says it."""
    return "-" if value is None else seconds(max(timedelta(0), now() - value))


def count(value: int) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shape in (usd, seconds, moment, ago, count, plain, one_line, as_text, excerpt):
        pages.filters[shape.__name__] = shape
    return pages


PAGES = _environment()
