"""Prompts as sandboxed Jinja2 templates. What comes in through them is data, never a template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from mirepoix.errors import PipelineError
from mirepoix.paths import Place, is_adviser
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


def check_template(template: str, place: Place, field: str) -> None:
    """Raise PipelineError when `template`, used at `place`, refers to what does not exist there."""
    where = f"step {place.path!r}, {field}"
    try:
        tree = _environment.parse(template)
    except TemplateSyntaxError as error:
        raise PipelineError(f"{where}: not a valid template (line {error.lineno}): {error.message}") from error
    scope = scope_of(place)
    known = {"input", "previous", "steps"} | ({"item"} if scope.items_of else set())
    known |= {"answers", "mark"} if is_adviser(place) else set()
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


def _free_names(tree: nodes.Template) -> set[str]:
    bound = {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}
    bound |= {"loop"} if any(tree.find_all(nodes.For)) else set()
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"} - bound - set(_environment.globals)


def _steps_named(tree: nodes.Template) -> list[str]:
    """The `x` of every `steps.x` and `steps["x"]`."""
    fields = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr)]
    keys = [
        (node.node, str(node.arg.value)) for node in tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)
    ]
    return [name for owner, name in fields + keys if isinstance(owner, nodes.Name) and owner.name == "steps"]
