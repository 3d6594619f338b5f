"""Prompts as sandboxed Jinja2 templates. What comes in through them is data, never a template."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from mirepoix.errors import PipelineError
from mirepoix.paths import Place
from mirepoix.strict import unknown
from pipelines.scope import scope_of

MAX_PROMPT = 8_000_000

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    keep_trailing_newline=True,
    finalize=lambda value: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
)


def render(template: str, values: Mapping[str, JsonValue | Mapping[str, JsonValue]]) -> str:
    """Fill in `template`; values that are not text stand as JSON. Raises PipelineError."""
    try:
        text = _compile(template).render(values)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise PipelineError(f"the template cannot be filled in: {error}") from error
    if len(text) > MAX_PROMPT:
        raise PipelineError(f"the filled-in template has {len(text):,} characters; the limit is {MAX_PROMPT:,}.")
    return text


def evaluate(expression: str, values: Mapping[str, JsonValue | Mapping[str, JsonValue]]) -> Any:
    """The value of `expression`, as Python has it. Raises PipelineError."""
    try:
        return _compile_expression(expression)(**values)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise PipelineError(f"the expression {expression!r} cannot be evaluated: {error}") from error


def check_expression(expression: str, place: Place, field: str) -> None:
    """As `check_template`, for an expression."""
    check_template(as_template(expression), place, field)


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
    try:
        tree = _environment.parse(template)
    except TemplateSyntaxError as error:
        raise PipelineError(f"not a valid template (line {error.lineno}): {error.message}") from error
    named = _steps_named(tree)
    loads = sum(node.name == "steps" and node.ctx == "load" for node in tree.find_all(nodes.Name))
    return Used(frozenset(_free_names(tree)), frozenset(named), loads > len(named))


def check_template(template: str, place: Place, field: str) -> None:
    """Raise PipelineError when `template`, used at `place`, refers to what does not exist there."""
    where = f"step {place.path!r}, {field}"
    try:
        tree = _environment.parse(template)
    except TemplateSyntaxError as error:
        raise PipelineError(f"{where}: not a valid template (line {error.lineno}): {error.message}") from error
    scope = scope_of(place)
    known = {"input", "previous", "steps"} | ({"item"} if scope.items_of else set())
    for name in sorted(_free_names(tree)):
        if name not in known:
            raise PipelineError(f"{where}: {unknown(f'name {name!r}', name, known)}")
    for name in _steps_named(tree):
        if name not in scope.names:
            raise PipelineError(
                f"{where}: {unknown(f'step {name!r}', name, scope.names)} Only earlier steps have an output."
            )


@lru_cache(maxsize=1024)
def _compile(template: str) -> Template:
    return _environment.from_string(template)


@lru_cache(maxsize=1024)
def _compile_expression(expression: str) -> Callable[..., Any]:
    # Undefined is an error here as it is in templates, and not quietly None.
    return _environment.compile_expression(expression, undefined_to_none=False)


def _free_names(tree: nodes.Template) -> set[str]:
    bound = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"} - bound - set(_environment.globals)


def _steps_named(tree: nodes.Template) -> list[str]:
    """The `x` of every `steps.x` and `steps["x"]`."""
    fields = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr)]
    keys = [
        (node.node, str(node.arg.value)) for node in tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)
    ]
    return [name for owner, name in fields + keys if isinstance(owner, nodes.Name) and owner.name == "steps"]
