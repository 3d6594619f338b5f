"""What all nodes share: a name, and the YAML shape `{name: x, call: {...}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from mirepoix.states import Store
from mirepoix.strict import Strict, unknown

KINDS = ("call", "route", "cascade", "ensemble", "chain", "map", "if")

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Node(Strict):
    """A step of a pipeline; earlier named steps of a chain are what later ones may refer to.

    `store`, at the root of a pipeline only, says what is kept of the texts of its jobs (default: full).
    """

    name: StepName | None = None
    store: Store | None = None


def from_shape(data: Any) -> Any:
    """Turn `{name: x, store: y, call: {...}}` into `{kind: call, name: x, ...}`; leave built nodes as they are.

    `{name: x, when: CONDITION, call: {...}}` is an `if` around the call.
    """
    if isinstance(data, Node) or not isinstance(data, Mapping) or "kind" in data:
        return data
    if "when" in data and "if" not in data:
        inner = {key: value for key, value in data.items() if key not in ("name", "when")}
        return {"kind": "if", "name": data.get("name"), "when": data["when"], "then": inner}
    kinds = [key for key in data if key in KINDS]
    rest = {key: value for key, value in data.items() if key not in KINDS}
    strange = next((key for key in rest if key not in ("name", "store")), None)
    if strange is not None:
        raise ValueError(unknown(f"key {str(strange)!r}", str(strange), (*KINDS, "name", "store", "when")))
    if len(kinds) != 1:
        raise ValueError(f"a node has exactly one of {', '.join(KINDS)}; this one has {', '.join(kinds) or 'none'}.")
    body = data[kinds[0]]
    if kinds[0] == "chain" and isinstance(body, Sequence) and not isinstance(body, str):
        body = {"steps": body}
    if not isinstance(body, Mapping):
        raise ValueError(f"{kinds[0]} takes a mapping of its settings, not {type(body).__name__}.")
    return {"kind": kinds[0], **rest, **body}
