"""Messages that no task can be made of, in one table: what a broken or hostile producer may leave in a queue.

`ENTRIES` are bytes on a Redis list. `MESSAGES` are messages whose parts are wrong; they can be sent over any broker,
and `Parts.entry` makes a list entry of one.

Of what is marked `!` a worker of plain Celery 5.7 died on Redis, of `!!` also after each restart; with `~` it lived,
but kept the message and its place for ever.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from mirepoix.queues import CALL, GO_ON, START

JOB = "01K00000000000000000000000"
"""The form of a job's id; no ledger has it."""
TASK_ID = "0b5f7d6e-52b1-4d7e-9c8f-0f5f3a1c2d4e"
DEEP = 100_000
MEGABYTE = 1024 * 1024
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
FAR = "2999-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Parts:
    """A message as every broker knows it. As it stands: a `call` of a job that does not exist, as Celery sends it."""

    headers: Any = field(default_factory=lambda: headers(CALL, (JOB, "$")))
    body: bytes = field(default_factory=lambda: body((JOB, "$")))
    properties: Any = field(default_factory=lambda: {"correlation_id": TASK_ID, "reply_to": "", "priority": 0})
    content_type: Any = "application/json"
    content_encoding: Any = "utf-8"

    def entry(self, queue: str) -> bytes:
        """The bytes that kombu would put on the Redis list of `queue`."""
        return json.dumps(self.envelope(queue)).encode()

    def envelope(self, queue: str) -> dict[str, Any]:
        """What kombu wraps around it on a Redis list."""
        delivery = {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "body_encoding": "base64",
            "delivery_tag": "5e1f1a52-3c0a-4a8e-8f7e-6d3b8a1c9f00",
        }
        properties = {**self.properties, **delivery} if isinstance(self.properties, dict) else self.properties
        return {
            "body": base64.b64encode(self.body).decode(),
            "content-encoding": self.content_encoding,
            "content-type": self.content_type,
            "headers": self.headers,
            "properties": properties,
        }


def headers(task: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """The headers of a task message."""
    return {
        "lang": "py",
        "task": task,
        "id": TASK_ID,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": TASK_ID,
        "parent_id": None,
        "argsrepr": f"({' '.join(map(str, args))})",
        "kwargsrepr": "{}",
        "origin": "gen1@test",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def body(args: Any, kwargs: Any = None, embed: Any = None) -> bytes:
    """The body of a task message."""
    return json.dumps([args, {} if kwargs is None else kwargs, EMBED if embed is None else embed]).encode()


def with_header(**changed: Any) -> Parts:
    """A message with other headers."""
    return Parts(headers=headers(CALL, (JOB, "$")) | changed)


def without_header(name: str) -> Parts:
    """A message that lacks a header."""
    return Parts(headers={key: value for key, value in headers(CALL, (JOB, "$")).items() if key != name})


def with_body(raw: bytes) -> Parts:
    """A message with another body."""
    return Parts(body=raw)


def calling(task: str, args: Any, kwargs: Any = None, embed: Any = None) -> Parts:
    """A message that calls `task` with `args`."""
    return Parts(headers=headers(task, ()), body=body(args, kwargs, embed))


def signature(**changed: Any) -> dict[str, Any]:
    """A signature as it travels in a chain or a chord."""
    plain = {
        "task": CALL,
        "args": [JOB, "$"],
        "kwargs": {},
        "options": {"queue": "orchestrate", "task_id": TASK_ID, "reply_to": None},
        "subtask_type": None,
        "immutable": True,
    }
    return plain | changed


MESSAGES: dict[str, Parts] = {
    # bodies
    "a body that is no JSON": with_body(b"{[}"),
    "a body of binary": with_body(bytes(range(256))),
    "an empty body": with_body(b""),  # !!
    "a body that is a number": with_body(b"42"),  # !!
    "a body that is null": with_body(b"null"),  # !!
    "a body that is a text": with_body(b'"hello"'),  # !!
    "a body that is an empty list": with_body(b"[]"),  # !!
    "a body of two": with_body(b"[[], {}]"),  # !!
    "a body of four": with_body(b"[[], {}, {}, {}]"),  # !!
    "a body that is an object": with_body(b'{"hello": "world"}'),  # !!
    "a body of protocol 1": with_body(json.dumps({"task": CALL, "id": TASK_ID, "args": [JOB, "$"]}).encode()),
    "a body with args inside an object": with_body(b'{"args": [1], "kwargs": null}'),
    "a body of lists nested too deep": with_body(b"[" * DEEP + b"]" * DEEP),
    "a body of objects nested too deep": with_body(b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "a body with a number too long": with_body(b"[[" + b"9" * 10_000 + b"], {}, {}]"),
    "a body with NaN": with_body(b'[["' + JOB.encode() + b'", NaN], {}, {}]'),
    "a body with a lone surrogate": with_body(b'[["\\ud800", "$"], {}, {}]'),
    "a body with NUL": with_body(b'[["\\u0000", "$"], {}, {}]'),
    "a body in UTF-16": with_body(body((JOB, "$")).decode().encode("utf-16")),
    "a body with a byte order mark": with_body(b"\xef\xbb\xbf" + body((JOB, "$"))),
    "a body of spaces": with_body(b" " * 1000),
    "a body with more behind it": with_body(body((JOB, "$")) + b"[]"),
    "a body that is too large": with_body(body((JOB, "x" * MEGABYTE))),
    "a body with a type of kombu's": with_body(b'[[{"__type__": "uuid", "__value__": {"hex": 1}}], {}, {}]'),
    # arguments
    "no arguments": calling(CALL, []),
    "one argument too few": calling(CALL, [JOB]),
    "one argument too many": calling(CALL, [JOB, "$", "x"]),
    "arguments that are an object": calling(CALL, {"job_id": JOB}),
    "arguments that are a text": calling(CALL, "ab"),
    "arguments that are null": with_body(b"[null, {}, {}]"),
    "a job that is a number": calling(CALL, [1, "$"]),
    "a job that is a list": calling(START, [[JOB]]),
    "a job that is an object": calling(START, [{"id": JOB}]),
    "a job that is null": calling(START, [None]),
    "a job with a quote": calling(START, ["' OR 1=1 --"]),
    "a path that is a number": calling(CALL, [JOB, 7]),
    "a path that is true": calling(CALL, [JOB, True]),
    "a path of 10,000 characters": calling(CALL, [JOB, "a." * 5000]),
    "an index that is a text": calling(GO_ON, [JOB, "$", "1"]),
    "an index that is huge": calling(GO_ON, [JOB, "$", 10**30]),
    "an index below zero": calling(GO_ON, [JOB, "$", -1]),
    "keyword arguments": calling(CALL, [JOB], {"path": "$"}),
    "keyword arguments that are a list": calling(CALL, [JOB, "$"], [1]),
    "an argument that replaces the thinking": calling("mirepoix.route", [JOB, "$", "os.system"]),
    # what follows a task
    "an embed that is a text": calling(CALL, [JOB, "$"], None, "x"),  # ~
    "an embed that is a list": calling(CALL, [JOB, "$"], None, [1]),  # ~
    "callbacks that are a number": calling(CALL, [JOB, "$"], None, EMBED | {"callbacks": 1}),
    "errbacks of nonsense": calling(CALL, [JOB, "$"], None, EMBED | {"errbacks": [{"task": "nobody"}]}),  # ~
    "a chain of numbers": calling(CALL, [JOB, "$"], None, EMBED | {"chain": [1, 2, 3]}),  # ~
    "a chain of an unknown task": calling(CALL, [JOB, "$"], None, EMBED | {"chain": [signature(task="os.system")]}),
    "a chain with options of nonsense": calling(CALL, [JOB, "$"], None, EMBED | {"chain": [signature(options=7)]}),  # ~
    "a chord that is a text": calling(CALL, [JOB, "$"], None, EMBED | {"chord": "x"}),
    "an embed with unknown keys": calling(CALL, [JOB, "$"], None, EMBED | {"is_eager": True, "hostname": 3}),
    # headers
    "no headers": Parts(headers={}),
    "no task": without_header("task"),
    "no id": without_header("id"),
    "an unknown task": Parts(headers=headers("os.system", ())),
    "a task of Celery's own": Parts(headers=headers("celery.backend_cleanup", ()), body=body([])),
    "a task that is a list": with_header(task=[CALL]),  # !!
    "a task that is an object": with_header(task={}),  # !!
    "a task that is null": with_header(task=None),
    "an id that is an object": with_header(id={"a": 1}),  # !!
    "an id that is a number": with_header(id=7),  # ~
    "an id that is null": with_header(id=None),  # ~
    "an id of 100 KB": with_header(id="x" * 100_000),
    "a root that is a list": with_header(root_id=[1]),
    "a parent that is an object": with_header(parent_id={}),
    "retries that are a text": with_header(retries="many"),
    "retries that are huge": with_header(retries=10**30),
    "a time limit that is a text": with_header(timelimit="soon"),  # !!
    "a time limit of one": with_header(timelimit=[1]),  # !!
    "a time limit of texts": with_header(timelimit=["a", "b"]),
    "a time limit": with_header(timelimit=[1, 1]),
    "an eta of nonsense": with_header(eta="tomorrow"),
    "an eta that is a number": with_header(eta=1e300),
    "an eta that is an object": with_header(eta={}),  # !!
    "an eta far in the future": with_header(eta=FAR),  # ~
    "an eta long ago": with_header(eta="0001-01-01T00:00:00"),
    "an expiry of nonsense": with_header(expires="never"),
    "an expiry that is a list": with_header(expires=[]),  # !!
    "an expiry long ago": with_header(expires="1970-01-01T00:00:00+00:00"),
    "a representation that is an object": with_header(argsrepr={"a": 1}),
    "a representation of 100 KB": with_header(argsrepr="x" * 100_000),
    "a group that is an object": with_header(group={"id": 1}),
    "a group index that is a text": with_header(group_index="x"),
    "a shadow that is a list": with_header(shadow=["x"]),  # ~
    "an origin that is a number": with_header(origin=5),
    "a nesting that is a text": with_header(replaced_task_nesting="x"),
    "stamps that are a text": with_header(stamped_headers="ab", stamps="x"),
    "a language that is a number": with_header(lang=1),
    "an ignore_result that is a text": with_header(ignore_result="no"),
    # compression, which we never use
    "a zlib bomb": Parts(  # ~
        headers=headers(CALL, ()) | {"compression": "application/x-gzip"}, body=zlib.compress(b" " * 200 * MEGABYTE, 9)
    ),
    "compressed, and well": Parts(
        headers=headers(CALL, ()) | {"compression": "zlib"}, body=zlib.compress(body((JOB, "$")))
    ),
    "an unknown compression": with_header(compression="application/x-nobody"),
    "a compression that is a list": with_header(compression=["zlib"]),
    # content
    "no content type": Parts(content_type=None),  # !!
    "pickled": Parts(content_type="application/x-python-serialize", content_encoding="binary", body=b"\x80\x04."),
    "YAML": Parts(content_type="application/x-yaml", body=b"[[], {}, {}]"),
    "plain text": Parts(content_type="text/plain", body=b"hello"),
    "an unknown content type": Parts(content_type="application/x-nobody"),
    "an unknown content encoding": Parts(content_encoding="utf-99"),
    "binary content encoding": Parts(content_encoding="binary"),
    "no content encoding": Parts(content_encoding=None),
    # properties
    "a correlation id of 200 characters": Parts(
        properties={"correlation_id": "x" * 200, "reply_to": "", "priority": 0}
    ),
    "a reply_to of another kind": Parts(properties={"reply_to": "x" * 200}),
}


def _broken(**changed: Any) -> bytes:
    return json.dumps(Parts().envelope("orchestrate") | changed).encode()


def _properties(**changed: Any) -> bytes:
    envelope = Parts().envelope("orchestrate")
    return json.dumps(envelope | {"properties": envelope["properties"] | changed}).encode()


def _without(*names: str) -> bytes:
    envelope = Parts().envelope("orchestrate")
    envelope["properties"] = {key: value for key, value in envelope["properties"].items() if key not in names}
    return json.dumps({key: value for key, value in envelope.items() if key not in names}).encode()


def _broadcast(command: bytes, headers: dict[str, Any] | None = None) -> bytes:
    return json.dumps(Parts(headers=headers or {}, body=command).envelope("")).encode()


ENTRIES: dict[str, bytes] = {
    "nothing": b"",  # !
    "no JSON": b"hello world",  # !
    "half of a message": Parts().entry("orchestrate")[:300],  # !
    "two messages": Parts().entry("orchestrate") * 2,  # !
    "binary": bytes(range(256)),  # !
    "NUL bytes": b"\x00" * 64,  # !
    "invalid UTF-8": b'{"body": "\xff\xfe"}',
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",  # !
    "gzip": b"\x1f\x8b\x08\x00" + bytes(60),  # !
    "a zlib stream": zlib.compress(b" " * 50 * MEGABYTE, 9),  # !
    "a number": b"42",  # !
    "a text": b'"hello"',  # !
    "null": b"null",  # !
    "true": b"true",  # !
    "NaN": b"NaN",  # !
    "an empty list": b"[]",  # !
    "a list": b"[1, 2, 3]",  # !
    "an empty object": b"{}",
    "a foreign object": b'{"hello": "world"}',
    "lists nested too deep": b"[" * DEEP,  # !
    "objects nested too deep": b'{"a":' * DEEP,  # !
    "a number too long": b"9" * 10_000,  # !
    "more than a megabyte": b'{"body": "' + b"x" * 2 * MEGABYTE + b'"}',
    "a key twice": Parts().entry("orchestrate")[:-1] + b', "headers": {"id": 1}}',
    "no properties": _without("properties"),
    "properties that are null": _broken(properties=None),  # !
    "properties that are a list": _broken(properties=[]),  # !
    "no delivery tag": _without("delivery_tag"),
    "a delivery tag that is an object": _properties(delivery_tag={"a": 1}),  # !
    "a delivery tag that is a number": _properties(delivery_tag=5),
    "a delivery tag that is null": _properties(delivery_tag=None),  # !
    "no delivery info": _without("delivery_info"),
    "delivery info that is a list": _properties(delivery_info=[1]),  # !
    "delivery info of nonsense": _properties(delivery_info={"exchange": 5, "routing_key": {}}),
    "no body encoding": _without("body_encoding"),
    "an unknown body encoding": _properties(body_encoding="rot13"),  # !
    "a body encoding that is a number": _properties(body_encoding=64),  # !
    "a priority that is a text": _properties(priority="high"),
    "a correlation id that is an object": _properties(correlation_id={}),
    "a reply_to that is a list": _properties(reply_to=[1]),
    "no body": _without("body"),  # !!
    "a body that is null": _broken(body=None),  # !!
    "a body that is a list": _broken(body=[[], {}, {}]),  # !
    "a body that is no base64": _broken(body="!!!"),  # !!
    "a body with a letter beyond ASCII": _broken(body="é"),  # !!
    "headers that are null": _broken(headers=None),
    "headers that are a list": _broken(headers=[1]),  # !
    "headers that are a text": _broken(headers="x"),  # !
    "a content type that is a list": _broken(**{"content-type": ["application/json"]}),  # !!
    "a content encoding that is a number": _broken(**{"content-encoding": 8}),  # !!
    "a type of kombu's": _broken(headers={"__type__": "uuid", "__value__": 1}),  # !
    "an unknown type of kombu's": _broken(more={"__type__": "nobody", "__value__": 1}),  # !
}


HARMLESS: dict[str, Parts] = {
    "a job that the ledger does not have": Parts(),
    "a chain of a job that the ledger does not have": calling(GO_ON, [JOB, "$", 999]),
    "a path that no pipeline has": calling(CALL, [JOB, "../../etc/passwd"]),
    "a start of a job that the ledger does not have": calling(START, [JOB]),
    "an unknown header": with_header(more={"a": {"b": {"c": [1, {"d": 2}]}}}),
}
"""Messages of good form that lead nowhere."""


BROADCASTS: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"hello",
    "a list": b"[]",
    "properties that are a text": b'{"body": "eA==", "properties": "x"}',
    "a command that is a list": _broadcast(b"[1]"),
    "a command that is a text": _broadcast(b'"ping"'),
    "a command that is no JSON": _broadcast(b"{{"),
    "a method that is an object": _broadcast(b'{"method": {"a": 1}}'),
    "an answer wanted nowhere": _broadcast(b'{"method": "ping", "reply_to": {"exchange": 5, "routing_key": []}}'),
    "a destination that is a number": _broadcast(b'{"method": "ping", "destination": 5}'),
    "a clock that is a text": _broadcast(b'{"method": "ping"}', {"clock": "late"}),
    "a clock that no JSON can hold once it has ticked": _broadcast(b'{"method": "ping"}', {"clock": 10**4300 - 1}),
    "a bomb": _broadcast(zlib.compress(b" " * 50 * MEGABYTE), {"compression": "zlib"}),
}
"""What may be published on the channel of Celery's control messages."""


def entries(queue: str) -> dict[str, bytes]:
    """All of them, as entries of the Redis list of `queue`."""
    return ENTRIES | {f"message: {name}": parts.entry(queue) for name, parts in MESSAGES.items()}
