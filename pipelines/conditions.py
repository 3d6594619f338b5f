"""A condition decides whether its step is done."""

from __future__ import annotations

from mirepoix.spec import If
from mirepoix.views import Decision
from pipelines.templates import evaluate
from pipelines.values import Values


def check_condition(node: If, values: Values) -> Decision:
    """`then` where the expression of `node` is true for `values`, else `skip`. Raises PipelineError."""
    holds = bool(evaluate(node.when, values))
    reason = f"{node.when!r} is {'true' if holds else 'false'}"
    return Decision(choice="then" if holds else "skip", reason=reason, confidence=1.0, features={"holds": holds})
