"""Between the broker and Celery: every message passes here, and what is malformed goes no further."""

from __future__ import annotations

import base64
import binascii
import inspect
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any, get_type_hints

from celery import Celery

from workers.contract import (
    Command,
    ControlHeaders,
    Entry,
    Headers,
    Malformed,
    Properties,
    Tasks,
    check_body,
    check_content,
    checked,
    parse,
)
from workers.quarantine import Quarantine

MOST_BYTES = 1024 * 1024
"""The size of the largest task message; those of the house have a few hundred bytes."""
MOST_CONTROL_BYTES = 16 * MOST_BYTES
"""The size of the largest control message or reply: a worker may tell of thousands of tasks at once."""


class Sieve:
    """Judges messages by the queue they come from: one of the house's, or one of Celery's for control and events."""

    def __init__(self, app: Celery, quarantine: Quarantine) -> None:
        self._app = app
        self.quarantine = quarantine

    def refuses_entry(self, queue: str, raw: bytes) -> bool:
        """Whether the Redis list entry `raw` was put away instead of being let through."""
        return self._refuses(queue, lambda: raw, lambda: self._check_entry(queue, raw))

    def refuses_message(self, queue: str, body: Any, properties: dict[str, Any]) -> bool:
        """Whether an AMQP message was put away instead of being let through; `properties` hold its headers."""
        return self._refuses(
            queue, lambda: flat(body, properties), lambda: self._check_message(queue, body, properties)
        )

    def __repr__(self) -> str:
        return "<Sieve>"  # Celery shows its configuration to who asks

    def _refuses(self, queue: str, raw: Callable[[], bytes], check: Callable[[], None]) -> bool:
        try:
            check()
        except Malformed as error:
            self.quarantine.take(queue, raw(), str(error))
            return True
        return False

    def _check_entry(self, queue: str, raw: bytes) -> None:
        self._check_size(queue, len(raw))
        entry = checked(Entry, parse(raw))
        try:
            body = base64.b64decode(entry.body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Malformed("body: no base64") from error
        self._check_content(queue, entry.headers, entry.content_type, entry.content_encoding, body)

    def _check_message(self, queue: str, body: Any, properties: dict[str, Any]) -> None:
        raw = body.encode() if isinstance(body, str) else bytes(body)
        self._check_size(queue, len(raw))
        checked(Properties, properties)
        headers = properties.get("application_headers") or {}
        self._check_content(queue, headers, properties.get("content_type"), properties.get("content_encoding"), raw)

    def _check_size(self, queue: str, size: int) -> None:
        most = MOST_BYTES if self._is_ours(queue) else MOST_CONTROL_BYTES
        if size > most:
            raise Malformed(f"is larger than {most} bytes")

    def _check_content(self, queue: str, headers: Any, content_type: Any, content_encoding: Any, body: bytes) -> None:
        check_content(content_type, content_encoding)
        if self._is_ours(queue):
            check_body(body, checked(Headers, headers).task, self._tasks)
        else:
            _check_control(headers, body)

    def _is_ours(self, queue: str) -> bool:
        return queue in self._app.amqp.queues

    @cached_property
    def _tasks(self) -> Tasks:
        """What the house's tasks take from a message: their parameters that have no default."""
        return {name: _parameters(task.run) for name, task in self._app.tasks.items() if not name.startswith("celery.")}


def flat(body: Any, properties: dict[str, Any]) -> bytes:
    """The bytes that stand for a message whose broker keeps its parts apart."""
    parts = {"properties": properties, "body": body}
    return json.dumps(parts, sort_keys=True, default=_as_text, skipkeys=True).encode()


def _check_control(headers: Any, body: bytes) -> None:
    checked(ControlHeaders, headers)
    value = parse(body, types=True)
    if not all(isinstance(item, dict) for item in (value if isinstance(value, list) else [value])):
        raise Malformed("body: neither an object nor a list of them")
    if isinstance(value, dict) and "method" in value:
        checked(Command, value)


def _parameters(function: Callable[..., Any]) -> dict[str, type]:
    kinds = get_type_hints(function)
    wanted = inspect.signature(function).parameters.values()
    return {
        f"*{each.name}" if each.kind is each.VAR_POSITIONAL else each.name: kinds[each.name]
        for each in wanted
        if each.default is each.empty
    }


def _as_text(value: object) -> str:
    return bytes(value).decode("utf-8", "backslashreplace") if isinstance(value, bytes | memoryview) else repr(value)
