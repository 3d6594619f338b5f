"""Build what a call asks, from the job's input and the answers before it."""

from __future__ import annotations

from sqlalchemy import Connection

from db.steps import Claim
from mirepoix.config import Model
from mirepoix.errors import PipelineError
from mirepoix.paths import Place, judged
from mirepoix.spec import Call, Cascade
from pipelines.gates import wants_logprobs
from pipelines.templates import evaluate, render
from tasks.conversation import parse_files, parse_messages
from tasks.providers.base import Question, Tool, Turn
from tasks.record import visible_values


def build_question(connection: Connection, claim: Claim, place: Place, model: Model) -> Question:
    """What the call at `place` asks of `model`. Raises PipelineError when a template cannot be filled in.

    Where the conversation ends with what a tool gave, and the prompt is empty, the model goes on from there.
    """
    node = place.node
    if not isinstance(node, Call):
        raise PipelineError(f"step {place.path!r} is no call.")
    values = visible_values(connection, claim, place)
    earlier = parse_messages(evaluate(node.messages, values)) if node.messages is not None else ()
    files = parse_files(evaluate(node.files, values)) if node.files is not None else ()
    asked = Turn("user", render(node.prompt, values), files)
    answered = bool(earlier) and earlier[-1].role == "tool" and not asked.text.strip() and not files
    return Question(
        target=model.callable or model.name,
        turns=earlier if answered else (*earlier, asked),
        system=None if node.system is None else render(node.system, values),
        max_tokens=node.max_tokens or model.max_tokens,
        temperature=node.temperature,
        top_p=node.top_p,
        stop=node.stop or (),
        seed=node.seed,
        tools=tuple(Tool(tool.name, tool.description, tool.parameters) for tool in node.tools or ()),
        tool_choice=node.tool_choice,
        logprobs=_wants_logprobs(place),
    )


def _wants_logprobs(place: Place) -> bool:
    """Whether this call is a tier of a cascade that looks at the probabilities of its tokens."""
    above = None if place.parent is None else place.parent.node
    return isinstance(above, Cascade) and wants_logprobs(above.accept) and not judged(place)
