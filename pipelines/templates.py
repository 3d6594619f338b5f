"""Prompts as sandboxed Jinja2 templates. What comes in through them is data, never a template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from mirepoix.errors import PipelineError
from mirepoix.paths import Place, is_adviser
from mirepoix.strict import unknown
from pipelines.scope import scope_of

MAX_PROMPT = 8_000_000
MAX_ITEMS = 100_000
"""Values in what an expression gives, at all depths together."""
BREAKS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What filling in can raise, whatever the input: all of it is the template's trouble with its values."""


def as_text(value: JsonValue) -> str:
    """What stands for a value in a text: itself, or its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=as_text,
)

Values = Mapping[str, JsonValue | Mapping[str, JsonValue]]


def render(template: str, values: Values) -> str:
    """Fill in `template`; values that are not text stand as JSON. Raises PipelineError."""
    try:
        text = _compile(template).render(values)
    except BREAKS as error:
        raise PipelineError(f"the template cannot be filled in: {error}") from error
    if len(text) > MAX_PROMPT:
        raise PipelineError(f"the filled-in template has {len(text):,} characters; the limit is {MAX_PROMPT:,}.")
    return text


def evaluate(expression: str, values: Values) -> JsonValue:
    """What `expression` (as `input.messages`, or `previous | selectattr("role")`) gives, as JSON values of its own.

    Raises PipelineError, for what cannot be JSON too.
    """
    try:
        return _as_json(_compile_expression(expression)(**values), iter(range(MAX_ITEMS)))
    except BREAKS as error:
        raise PipelineError(f"the expression cannot be evaluated: {error}") from error


def as_template(expression: str) -> str:
    """A template that refers to what `expression` refers to."""
    return "{{ (" + expression + ") }}"


@dataclass(frozen=True, slots=True)
class Used:
    """What a template refers to: free `names`, `steps` by name, and whether `all_steps`, taken by no fixed name."""

    names: frozenset[str]
    steps: frozenset[str]
    all_steps: bool


@lru_cache(maxsize=4096)
def names_in(template: str) -> Used:
    """What `template` refers to. Raises PipelineError."""
    tree = _parse(template)
    named = _fields_named(tree, "steps")
    loads = sum(node.name == "steps" and node.ctx == "load" for node in tree.find_all(nodes.Name))
    return Used(frozenset(_free_names(tree)), frozenset(named), loads > len(named))


@lru_cache(maxsize=4096)
def fields_of(template: str, name: str) -> frozenset[str]:
    """The `x` of every `name.x` and `name["x"]` in `template`. Raises PipelineError."""
    return frozenset(_fields_named(_parse(template), name))


def _parse(template: str) -> nodes.Template:
    try:
        return _environment.parse(template)
    except TemplateSyntaxError as error:
        raise PipelineError(f"not a valid template (line {error.lineno}): {error.message}") from error


def check_template(template: str, place: Place, field: str) -> None:
    """Raise PipelineError when `template`, used at `place`, refers to what does not exist there."""
    where = f"step {place.path!r}, {field}"
    try:
        tree = _environment.parse(template)
    except TemplateSyntaxError as error:
        raise PipelineError(f"{where}: not a valid template (line {error.lineno}): {error.message}") from error
    _check_names(tree, place, where)


def check_expression(expression: str, place: Place, field: str) -> None:
    """Raise PipelineError when `expression`, used at `place`, is none or refers to what does not exist there."""
    where = f"step {place.path!r}, {field}"
    try:
        _compile_expression(expression)
        tree = _environment.parse(f"{{{{ {expression} }}}}")
    except TemplateSyntaxError as error:
        raise PipelineError(
            f"{where}: not a valid expression: {error.message} It stands without braces, as in {field}: input.{field}"
        ) from error
    _check_names(tree, place, where)


def _check_names(tree: nodes.Template, place: Place, where: str) -> None:
    scope = scope_of(place)
    known = {"input", "previous", "steps"} | ({"item"} if scope.items_of else set())
    known |= {"question", *("answer", "other")[: len(scope.judged)]} if scope.judged else set()
    known |= {"answers", "mark"} if is_adviser(place) else set()
    for name in sorted(_free_names(tree)):
        if name not in known:
            raise PipelineError(f"{where}: {unknown(f'name {name!r}', name, known)}")
    for name in _fields_named(tree, "steps"):
        if name not in scope.names:
            raise PipelineError(
                f"{where}: {unknown(f'step {name!r}', name, scope.names)} Only earlier steps have an output."
            )


@lru_cache(maxsize=1024)
def _compile(template: str) -> Template:
    return _environment.from_string(template)


@lru_cache(maxsize=1024)
def _compile_expression(expression: str) -> TemplateExpression:
    return _environment.compile_expression(expression, undefined_to_none=False)


def _as_json(value: object, room: Iterator[int]) -> JsonValue:
    """A copy of `value`; what filters leave lazy is carried out. Raises ValueError for what is no JSON, or too much."""
    if next(room, None) is None:
        raise ValueError(f"it gives more than {MAX_ITEMS:,} values")
    if isinstance(value, StrictUndefined):
        str(value)  # raises UndefinedError, which names what is missing
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _as_json(part, room) for key, part in value.items()}
    if isinstance(value, (list, tuple, Iterator)):
        return [_as_json(part, room) for part in islice(value, MAX_ITEMS)]
    raise ValueError(f"it gives a {type(value).__name__}, which is no JSON")


def _free_names(tree: nodes.Template) -> set[str]:
    bound = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}
    bound |= {"loop"} if any(tree.find_all(nodes.For)) else set()
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"} - bound - set(_environment.globals)


def _fields_named(tree: nodes.Template, name: str) -> list[str]:
    """The `x` of every `name.x` and `name["x"]`."""
    fields = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr)]
    keys = [
        (node.node, str(node.arg.value)) for node in tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)
    ]
    return [field for owner, field in fields + keys if isinstance(owner, nodes.Name) and owner.name == name]
