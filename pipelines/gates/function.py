"""The gate `function`: a function of the user's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from mirepoix.answer import Answer
from mirepoix.errors import PipelineError
from mirepoix.spec.gates import Function
from pipelines.gates.models import broken
from pipelines.gates.seen import Score

SHOWN = 300


@lru_cache(maxsize=256)
def load_function(target: str) -> Callable[[Answer], Any]:
    """The function that `module:function` names; raises PipelineError."""
    module, _, name = target.partition(":")
    try:
        found: Callable[[Answer], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PipelineError(f"the gate 'function': {target!r} cannot be imported: {error}.") from error
    return found


def score_function(gate: Function, answer: Answer) -> Score:
    """What the function says of the answer; whatever it raises or returns, the cascade goes on."""
    said: list[Any] = []
    failure: list[str] = []

    def ask() -> None:
        try:
            said.append(load_function(gate.callable)(answer))
        except BaseException as error:  # noqa: BLE001 - another's code: whatever it raises is what came of it
            failure.append(f"{gate.callable} raised {type(error).__name__}")

    # A daemon thread: nothing can end a function that hangs, and it must not hold up the cascade or the worker's end.
    thread = threading.Thread(target=ask, name="mirepoix-gate", daemon=True)
    thread.start()
    thread.join(gate.timeout)
    if not said:
        return broken(gate.on_error, failure[0] if failure else f"{gate.callable} gave nothing in {gate.timeout:g} s")
    return _read(gate, said[0])


def _read(gate: Function, said: Any) -> Score:
    value, reason = said if isinstance(said, tuple) and len(said) == 2 else (said, "")
    if isinstance(value, bool):
        value = float(value)
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        return broken(gate.on_error, f"{gate.callable} gave no score from 0 to 1")
    return Score(round(float(value), 4), str(reason)[:SHOWN] or gate.callable)
