"""The answers that recorded questions got, found again by what was asked.

Two calls ask the same when the same model is sent the same texts with the same options, wherever they stand.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field

from mirepoix.errors import PipelineError
from mirepoix.paths import Place
from mirepoix.spec import Call
from mirepoix.states import StepState
from mirepoix.views import StepView
from pipelines.templates import evaluate, render
from pipelines.values import Record, visible_values

ENDED = (StepState.SUCCEEDED, StepState.FAILED)
OPTIONS = ("temperature", "top_p", "stop", "seed", "tools", "tool_choice", "max_tokens", "schema_")


@dataclass(frozen=True, slots=True)
class Question:
    """What a call asks: `texts` is a fingerprint of all but the model, `length` how many characters are sent."""

    model: str
    texts: str
    length: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A recorded call that asked this question: the job and the step that it was part of."""

    job: str
    step: StepView


@dataclass(slots=True)
class Library:
    """Recorded calls by what they asked."""

    _shelves: dict[tuple[str, str], list[Heard]] = field(default_factory=lambda: defaultdict(list))

    def add(self, question: Question, heard: Heard) -> None:
        """Keep a call; under the model that answered, too, where that was a fallback."""
        asked = {question.model}
        if heard.step.state is StepState.SUCCEEDED and heard.step.calls:
            asked.add(heard.step.calls[-1].model)
        for model in sorted(asked):
            self._shelves[model, question.texts].append(heard)

    def find(self, question: Question, job: str, path: str, taken: set[str]) -> Heard | None:
        """What this question got: at this very step, whatever its end, else in this job, else elsewhere.

        Samples exist to differ, so each takes an answer of this job that none of the steps `taken` stands for.
        """
        found = self._shelves.get((question.model, question.texts), [])
        here = [heard for heard in found if heard.job == job]
        same = next((heard for heard in here if heard.step.path == path), None)
        if same is not None:
            return same
        found, here = ([heard for heard in some if heard.step.state in ENDED] for some in (found, here))
        free = next((heard for heard in here if heard.step.path not in taken), None)
        if free is not None or is_sample(path):
            return free
        return next(iter(here), None) or next(iter(found), None)


def is_sample(path: str) -> bool:
    """Whether the step at `path` is a tier that is asked again to see whether it says the same."""
    return "samples" in path.split(".")


def question_of(record: Record, place: Place) -> Question:
    """What the call at `place` asks. Raises PipelineError."""
    node = place.node
    if not isinstance(node, Call):
        raise PipelineError(f"step {place.path!r} is no call.")
    values = visible_values(record, place)
    texts = [
        render(node.prompt, values),
        "" if node.system is None else render(node.system, values),
        *(None if expression is None else evaluate(expression, values) for expression in (node.messages, node.files)),
    ]
    options = node.model_dump(mode="json", include=set(OPTIONS))
    whole = json.dumps([texts, options], sort_keys=True)
    sent = sum(len(text if isinstance(text, str) else json.dumps(text)) for text in texts if text is not None)
    return Question(node.model, hashlib.sha256(whole.encode()).hexdigest(), sent)
