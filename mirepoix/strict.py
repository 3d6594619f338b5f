"""The base of all models that people write by hand: frozen, and an unknown key names its nearest neighbour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Strict(BaseModel):
    """A frozen pydantic model that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_keys(cls, data: Any) -> Any:
        """Say which key was meant, which pydantic's own error does not."""
        if isinstance(data, Mapping):
            known = {field.alias or name for name, field in cls.model_fields.items()} | set(cls.model_fields)
            for key in data:
                if key not in known:
                    raise ValueError(unknown(f"key {str(key)!r}", str(key), shown(cls)))
        return data


def shown(model: type[BaseModel]) -> list[str]:
    """The keys of `model` as a person writes them in YAML; a `kind` with a default goes without saying."""
    fields = model.model_fields.items()
    return sorted(field.alias or name for name, field in fields if name != "kind" or field.is_required())


def unknown(what: str, given: str, known: Iterable[str]) -> str:
    """`unknown key 'modle'. Did you mean 'model'? Known: model, prompt.`"""
    names = sorted(map(str, known))
    near = get_close_matches(given, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}.{hint} Known: {', '.join(names) or 'none'}."
