"""Send a worker's spans to a collector, where OpenTelemetry's variables name one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mirepoix.spans import open_export
from tasks.house import House
from tasks.spans import RecordedSpans

log = structlog.get_logger("mirepoix")


@contextmanager
def exporting_spans(house: House) -> Iterator[None]:
    """While entered, the house's spans are sent in batches; at the end, what is left."""
    if not house.settings.exports_spans:
        yield
        return
    try:
        provider = open_export("mirepoix-worker")
    except ImportError:
        log.warning("no spans are sent: install mirepoix[otel], or set OTEL_SDK_DISABLED=true")
        yield
        return
    house.spans = RecordedSpans(provider, house.settings.emulator_url)
    try:
        yield
    finally:
        house.spans.close()
