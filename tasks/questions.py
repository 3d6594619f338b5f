"""Build what a step asks or looks at, from the job's input and the answers before it."""

from __future__ import annotations

from pydantic import JsonValue
from sqlalchemy import Connection

from db.decisions import read_outputs
from db.steps import Claim
from mirepoix.config import Model
from mirepoix.errors import PipelineError
from mirepoix.ledger.contents import load
from mirepoix.paths import Place, judged
from mirepoix.spec import Call, Cascade, Map
from pipelines.gates import fence, wants_logprobs
from pipelines.items import items_of
from pipelines.scope import Scope, scope_of
from pipelines.templates import as_text, evaluate, render
from tasks.conversation import parse_files, parse_messages
from tasks.providers.base import Question, Tool, Turn
from tasks.standing import advice_values

Values = dict[str, JsonValue]


def visible_values(connection: Connection, claim: Claim, place: Place) -> Values:
    """What a template at `place` sees: input, previous, steps, and item inside a map."""
    scope = scope_of(place)
    outputs = read_outputs(connection, claim.job_id, scope.paths)
    given = load(connection, [claim.job.input_hash])[claim.job.input_hash]
    values: Values = {
        "input": given,
        "steps": {name: outputs[path] for name, path in scope.names.items() if path in outputs},
    }
    item = _item(connection, claim, scope)
    if scope.items_of is not None:
        values["item"] = item
    values["previous"] = _previous(scope, outputs, item if scope.items_of is not None else given)
    if scope.judged is not None:
        values |= _material(scope.judged, values, outputs)
    return values | advice_values(connection, claim.job_id, place)


def _previous(scope: Scope, outputs: Values, first: JsonValue) -> JsonValue:
    """The answer of the step before, passing over those that were not done; `first` where there is none.

    Who does not refer to it may come before it is there, and never sees that it is not.
    """
    for path in scope.previous:
        if outputs.get(path) is not None or path not in scope.optional:
            return outputs.get(path)
    return first


def read_items(connection: Connection, claim: Claim, place: Place) -> list[JsonValue]:
    """What the map at `place` runs over. Raises PipelineError."""
    node = place.node
    if not isinstance(node, Map):
        raise PipelineError(f"step {place.path!r} is no map.")
    return items_of(node, render(node.over, visible_values(connection, claim, place)))


def build_question(connection: Connection, claim: Claim, place: Place, model: Model) -> Question:
    """What the call at `place` asks of `model`. Raises PipelineError when a template cannot be filled in."""
    node = place.node
    if not isinstance(node, Call):
        raise PipelineError(f"step {place.path!r} is no call.")
    values = visible_values(connection, claim, place)
    earlier = parse_messages(evaluate(node.messages, values)) if node.messages is not None else ()
    files = parse_files(evaluate(node.files, values)) if node.files is not None else ()
    return Question(
        target=model.callable or model.name,
        turns=(*earlier, Turn("user", render(node.prompt, values), files)),
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
    return isinstance(above, Cascade) and wants_logprobs(above.accept) and judged(place) is None


def _material(tier: Place, values: Values, outputs: dict[str, JsonValue]) -> Values:
    """What a judge sees of a tier: what it was asked, as far as that is known, and what it answered."""
    asked = render(tier.node.prompt, values) if isinstance(tier.node, Call) else as_text(values["previous"])
    return {"question": fence("question", asked), "answer": fence("answer", as_text(outputs[tier.path]))}


def _item(connection: Connection, claim: Claim, scope: Scope) -> JsonValue:
    if scope.items_of is None or scope.item is None:
        return None
    return read_items(connection, claim, scope.items_of)[scope.item]
