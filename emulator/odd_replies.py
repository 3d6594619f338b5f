"""Replies that are not what was asked for: what the model says where a fault of its own struck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from jsonschema import Draft202012Validator
from referencing import Registry

from emulator.faults import Fault, FaultKind
from emulator.tokens import BYTES_PER_TOKEN, Ended, Ending, count_tokens
from emulator.wire import Ask, Json, Reply

DECLINED = "I'm sorry, but I can't help with that."
DEPTH = 100_000
HUGE = 100_000_000
MARK = "\ue000"
"""Stands for what no JSON encoder would write (`emulator.odd_bytes`); a character that Unicode gives to nobody."""


def twist(fault: Fault, ask: Ask, reply: Reply) -> Reply:
    """What the model says instead of `reply`; the same where a fault of this kind is none of the model's."""
    match fault.kind:
        case FaultKind.LENGTH:
            raw = reply.ended.text.encode()[: max(1, reply.output_tokens // 2) * BYTES_PER_TOKEN]
            return _say(reply, raw.decode(errors="ignore"), Ending.LENGTH)
        case FaultKind.REFUSAL:
            declined = _say(reply, DECLINED if ask.words_refusals else "", Ending.REFUSED)
            return declined if ask.words_refusals else replace(declined, thought_tokens=0)
        case FaultKind.SAFETY_BLOCK:
            return _say(reply, "", Ending.FILTERED)
        case FaultKind.SCHEMA_VIOLATION:
            broken = violate(True if ask.json_wish is None else ask.json_wish.schema, reply)
            return replace(_say(reply, json.dumps(broken, ensure_ascii=False)), instance=broken)
        case FaultKind.FENCED_JSON:
            return replace(_say(reply, f"```json\n{reply.ended.text}\n```"), instance=reply.instance)
        case FaultKind.TEXT:
            return replace(_say(reply, fault.text or ""), instance=_json(fault.text or ""))
        case FaultKind.DEEP_JSON:
            return _say(reply, "[" * DEPTH + "]" * DEPTH)
        case FaultKind.INVALID_UTF8:
            return replace(_say(reply, reply.ended.text + MARK), instance=MARK)
        case FaultKind.HUGE_BODY | FaultKind.ENDLESS_STREAM:
            size = HUGE if fault.size is None else fault.size
            return replace(_say(reply, MARK), instance=MARK, output_tokens=-(-size // BYTES_PER_TOKEN))
    return reply


def violate(schema: Json, reply: Reply) -> Json:
    """A value like the reply's that `schema` does not allow; where it allows all, an object that nobody asked for."""
    check = Draft202012Validator(schema, registry=Registry())  # an empty registry: nothing is fetched
    return next(
        (value for value in _violations(reply) if not check.is_valid(value)),
        {"unexpected": reply.ended.text},
    )


def _violations(reply: Reply) -> Iterator[Json]:
    """The subtlest first: a member of the wrong type, one too few, one too many, no object at all."""
    instance = reply.instance
    if isinstance(instance, dict):
        for name, value in instance.items():
            yield {**instance, name: {"unexpected": value}}
        for name in instance:
            yield {key: value for key, value in instance.items() if key != name}
        yield {**instance, "unexpected": True}
    yield from ({"unexpected": instance}, [instance], "unexpected", None)


def _say(reply: Reply, text: str, ending: Ending = Ending.DONE) -> Reply:
    return replace(
        reply, ended=Ended(text, ending), output_tokens=count_tokens(text), instance=None, logprobs=_none_of(reply)
    )


def _json(text: str) -> Json | None:
    """What a tool's arguments are in a text that is JSON; None where it is none that could be written again."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value


def _none_of(reply: Reply) -> tuple[()] | None:
    """Log-probabilities that were asked for are told, but there are none of a text that no model made."""
    return None if reply.logprobs is None else ()
