"""One step after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from mirepoix.spec.node import Node

if TYPE_CHECKING:
    from mirepoix.spec import Pipeline


class Chain(Node):
    """One step after another; each sees what earlier ones answered. The last one's answer is the chain's."""

    kind: Literal["chain"] = "chain"
    steps: tuple[Pipeline, ...] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [step.name for step in self.steps if step.name]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two steps of one chain are called {twice[0]!r}; names must differ.")
        return self
