"""A step that is done only where something holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mirepoix.spec.node import Node

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class If(Node):
    """Do `then` where the expression `when` is true; else the step is passed over, and its answer is null.

    Stands on steps of a chain only, in YAML as `when:` beside the step. What `previous` means to the step after one
    that was passed over is what it meant to that one.
    """

    kind: Literal["if"] = "if"
    when: str
    then: Pipeline
