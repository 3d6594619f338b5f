"""What a message of the house looks like: the form of its parts, down to what follows the task in its canvas.

Whatever else arrives is refused before Celery sees it. Celery trusts the broker: on what it does not expect it raises
in its event loop, which ends the worker, or in the thread of the task, which then never acknowledges its message.
Nothing here reads more than it must: a refusal names the part that is wrong, never what stood in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

JOB_ID = re.compile(r"[0-9A-Z]{26}")
LONGEST_PATH = 400
PLAIN_NAME = re.compile(r"[a-z][a-z_-]{0,30}")
CONTENT_TYPE, CONTENT_ENCODING = "application/json", "utf-8"
COMPOSED = ("celery.chain", "celery.group", "celery.chord")
"""What Celery calls the parts of a canvas that are no tasks."""


Tasks = Mapping[str, Mapping[str, type]]
"""The house's tasks by name, each with the names and types of the arguments that it takes."""


class Malformed(ValueError):
    """A message that no task can be made of; the text says what is wrong with it, without its content."""


def _without_controls(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds control characters")
    return text


Text = Annotated[str, Field(max_length=4096), AfterValidator(_without_controls)]
Id = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_without_controls)]
Number = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Clock = Annotated[int, Field(ge=0, lt=2**53)]
Scalar = Text | Number | bool | None
Never = Annotated[list[None], Field(max_length=0)] | None


F = TypeVar("F", bound="Form")


class Form(BaseModel):
    """Exact types; keys that Celery may add one day are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Options(Form):
    """How a task of a canvas is sent. Beside what is named here there may be texts and numbers, and nothing else."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Scalar] = Field(init=False)

    chain: list[Signature] | None = None
    chord: Signature | None = None
    link: Never = None
    link_error: Never = None


class Composition(Form):
    """What a chain, a group or a chord is made of."""

    tasks: list[Signature] = []
    header: Signature | list[Signature] | None = None
    body: Signature | None = None


class Signature(Form):
    """A task, or a composition of tasks, that follows."""

    task: Id
    args: list[Scalar]
    parts: Annotated[Composition, Field(alias="kwargs")]
    options: Options


class Embed(Form):
    """What Celery does after the task."""

    model_config = ConfigDict(extra="forbid")  # it would become part of the request, over what the worker has put there

    callbacks: Never
    errbacks: Never
    chain: list[Signature] | None
    chord: Signature | None


class Body(Form):
    """What a task is called with: positional ids."""

    args: list[Scalar]
    keywords: Annotated[dict[str, JsonValue], Field(alias="kwargs", max_length=0)]
    embed: Embed


class Headers(Form):
    """The headers of a task. What the house never uses (times, limits, retries of Celery's) must be empty."""

    task: Id
    id: Id
    root_id: Id | None = None
    parent_id: Id | None = None
    group: Id | None = None
    group_index: Number | None = None
    lang: Text | None = None
    shadow: Text | None = None
    origin: Text | None = None
    argsrepr: Text | None = None
    kwargsrepr: Text | None = None
    retries: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    timelimit: Annotated[list[None], Field(max_length=2)] | None = None
    eta: None = None
    expires: None = None
    ignore_result: bool | None = None
    replaced_task_nesting: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    stamped_headers: Never = None
    stamps: Annotated[dict[str, JsonValue], Field(max_length=0)] | None = None
    compression: None = None


class Properties(Form):
    """What the broker keeps beside the headers."""

    correlation_id: Id | None = None
    reply_to: Annotated[Text, Field(max_length=128)] | None = None
    priority: Annotated[int, Field(ge=0, le=255)] | None = None


class ControlHeaders(Form):
    """The headers of a control message, an event, or a reply."""

    clock: Clock | None = None
    expires: float | None = None
    ticket: Text | None = None
    compression: None = None


class ReplyTo(Form):
    """Where the answer to a command is wanted."""

    exchange: Text
    routing_key: Text


class Command(Form):
    """A control message."""

    method: Text
    arguments: dict[str, JsonValue] | None = None
    destination: list[Text] | None = None
    pattern: Text | None = None
    matcher: Text | None = None
    ticket: Text | None = None
    reply_to: ReplyTo | None = None


class Delivery(Form):
    """Where a Redis list entry goes back to when its worker dies."""

    exchange: Text
    routing_key: Text


class EntryProperties(Properties):
    """The properties of a Redis list entry."""

    delivery_tag: Id
    delivery_info: Delivery
    body_encoding: Literal["base64"]


class Entry(Form):
    """A Redis list entry, as kombu writes it."""

    body: str
    headers: dict[str, JsonValue]
    properties: EntryProperties
    content_type: str = Field(alias="content-type")
    content_encoding: str = Field(alias="content-encoding")


def parse(raw: bytes, *, types: bool = False) -> Any:
    """The JSON value in `raw`; raises Malformed, also for what Python's parser lets pass.

    kombu makes objects of what claims to be of a type (a date, say); only where `types` may that stand in a message.
    """
    try:
        value = (_TYPED if types else _PLAIN).decode(raw.decode())
    except RecursionError as error:
        raise Malformed("is nested too deep") from error
    except Malformed:
        raise
    except ValueError as error:
        raise Malformed("is no JSON") from error
    return value


def checked(form: type[F], value: Any) -> F:
    """`value` in its `form`; raises Malformed, naming the first part that is wrong."""
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(_shown(part) for part in first["loc"])
        raise Malformed(f"{where or form.__name__.lower()}: {first['msg']}") from error


def check_content(content_type: Any, content_encoding: Any) -> None:
    """Raise Malformed unless the message says that it is JSON in UTF-8."""
    if content_type != CONTENT_TYPE:
        raise Malformed("content type: only application/json is taken")
    if not isinstance(content_encoding, str) or content_encoding.lower() != CONTENT_ENCODING:
        raise Malformed("content encoding: only utf-8 is taken")


def check_body(raw: bytes, task: str, tasks: Tasks) -> None:
    """Raise Malformed unless `raw` calls `task`, and what follows it, as these `tasks` want to be called."""
    value = parse(raw)
    if not isinstance(value, list) or len(value) != 3:
        raise Malformed("body: not [args, kwargs, embed]")
    body = checked(Body, dict(zip(("args", "kwargs", "embed"), value, strict=True)))
    _check_arguments(task, body.args, tasks)
    for signature in _following([*(body.embed.chain or ()), *_some(body.embed.chord)]):
        if signature.task not in COMPOSED:
            _check_arguments(signature.task, signature.args, tasks)


def _check_arguments(task: str, args: list[str | int | bool | None], tasks: Tasks) -> None:
    if task not in tasks:
        raise Malformed("task: not one of the house's")
    parameters = list(tasks[task].items())
    if parameters[-1][0].startswith("*"):  # any number of them
        name, kind = parameters.pop()
        parameters += [(name[1:].removesuffix("s"), kind)] * max(1, len(args) - len(parameters))
    if len(args) != len(parameters):
        raise Malformed(f"args: {task} takes {len(parameters)}, not {len(args)}")
    for (name, kind), value in zip(parameters, args, strict=True):
        fits = type(value) is kind
        if isinstance(value, str):
            fits = fits and bool(JOB_ID.fullmatch(value) if name == "job_id" else 0 < len(value) <= LONGEST_PATH)
        elif isinstance(value, int):
            fits = fits and value >= 0
        if not fits:
            raise Malformed(f"args: {name} of {task} is not of its form")


def _following(signatures: Sequence[Signature]) -> Iterator[Signature]:
    """`signatures`, and all that is inside them or follows them."""
    waiting = list(signatures)
    while waiting:
        signature = waiting.pop()
        yield signature
        options, parts = signature.options, signature.parts
        header = parts.header if isinstance(parts.header, list) else _some(parts.header)
        waiting += [*(options.chain or ()), *_some(options.chord), *parts.tasks, *header, *_some(parts.body)]


def _some(signature: Signature | None) -> list[Signature]:
    return [] if signature is None else [signature]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice (parsers disagree on which one counts) and what kombu would make objects of."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("has a key twice")
    if "__type__" in value:
        raise Malformed("holds a type of kombu's")
    return value


def _no_number(name: str) -> None:
    raise Malformed(f"holds {name}")


_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)
_TYPED = json.JSONDecoder(parse_constant=_no_number)


def _shown(part: str | int) -> str:
    """A part of a place in a message: names that the house knows by their look, anything else unsaid."""
    return str(part) if isinstance(part, int) or PLAIN_NAME.fullmatch(part) else "…"
