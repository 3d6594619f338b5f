"""What Gemini answers, at once or in chunks, as the SDK's types, recorded traffic and live probes show it.

Counts of nothing are absent, and so are the parts of a content that has none.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from emulator.tokens import TOKENS_PER_FILE, Ending
from emulator.wire import Ask, Event, Json, Reply, Streamed, TokenLogprob

SHOWN_THOUGHTS = 120
_FINISH_REASONS = {
    Ending.DONE: "STOP",
    Ending.STOP_SEQUENCE: "STOP",
    Ending.LENGTH: "MAX_TOKENS",
    Ending.FILTERED: "SAFETY",
}
_BLOCKED = {"blockReason": "PROHIBITED_CONTENT"}
_HARM = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]


def response(ask: Ask, reply: Reply, response_id: str) -> Json:
    """A whole `GenerateContentResponse`."""
    head = {"modelVersion": ask.model, "responseId": response_id}
    if reply.ended.ending is Ending.REFUSED:
        return {"promptFeedback": _BLOCKED, "usageMetadata": _usage(ask, reply), **head}
    parts = [*_thoughts(ask, reply), *_said(ask, reply)]
    return {"candidates": [_last(ask, reply, parts)], "usageMetadata": _usage(ask, reply), **head}


def chunks(ask: Ask, reply: Reply, response_id: str) -> Streamed:
    """The same in chunks, each a response of its own: the thoughts, each token, and what only the end can tell."""
    head = {"modelVersion": ask.model, "responseId": response_id}
    if reply.ended.ending is Ending.REFUSED:
        return Streamed((), lambda _, __: None, (Event(response(ask, reply, response_id)),))
    calls = _calls_tool(ask, reply)
    usage = {"usageMetadata": _prompt_usage(ask, reply)}

    def chunk(part: Json) -> Event:
        content = {"parts": [part], "role": "model"}
        return Event({"candidates": [{"content": content, "index": 0}], **usage, **head}, is_of_content=True)

    def piece(text: str, _: int) -> Event | None:
        return None if calls else chunk({"text": text})

    # What is called comes whole, for the arguments of a function are JSON and not a text.
    parts = _said(ask, reply) if calls else [{"text": ""}] if reply.ended.text else []
    end = {"candidates": [_last(ask, reply, parts)], "usageMetadata": _usage(ask, reply), **head}
    return Streamed(tuple(chunk(part) for part in _thoughts(ask, reply)), piece, (Event(end),))


def _last(ask: Ask, reply: Reply, parts: list[Json]) -> dict[str, Any]:
    """The candidate with the reason of its end."""
    ending = reply.ended.ending
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}} if parts else {"content": {}}
    if ending is Ending.FILTERED:
        candidate = {"safetyRatings": _HARM}
    elif ending is Ending.LENGTH and not parts:
        candidate = {"content": {"role": "model"}}
    reason = _FINISH_REASONS[ending]
    if ending is Ending.DONE and _calls_tool(ask, reply) and not isinstance(reply.instance, dict):
        reason = "MALFORMED_FUNCTION_CALL"
    return {**candidate, "finishReason": reason, "index": 0, **_logprobs(reply.logprobs)}


def _thoughts(ask: Ask, reply: Reply) -> list[Json]:
    """A summary of the thoughts, where it was asked for."""
    if ask.thinking is None or not ask.thinking.shown or not reply.thought_tokens:
        return []
    asked = next((message.text for message in reversed(ask.messages) if message.role == "user"), "")
    return [{"text": f"**Considering the request**\n\n{' '.join(asked.split())[:SHOWN_THOUGHTS]}", "thought": True}]


def _said(ask: Ask, reply: Reply) -> list[Json]:
    """The answer as parts; a call of a function that was cut short is none."""
    if _calls_tool(ask, reply):
        assert ask.json_wish is not None
        args = reply.instance
        return [{"functionCall": {"name": ask.json_wish.tool, "args": args}}] if isinstance(args, dict) else []
    return [{"text": reply.ended.text}] if reply.ended.text else []


def _calls_tool(ask: Ask, reply: Reply) -> bool:
    return ask.json_wish is not None and ask.json_wish.tool is not None and reply.ended.ending is not Ending.FILTERED


def _usage(ask: Ask, reply: Reply) -> dict[str, Any]:
    """What was used in all: the thoughts are not among the candidate's tokens, but they are in the total."""
    usage = _prompt_usage(ask, reply)
    if reply.output_tokens:
        usage["candidatesTokenCount"] = reply.output_tokens
    if reply.thought_tokens:
        usage["thoughtsTokenCount"] = reply.thought_tokens
    usage["totalTokenCount"] += reply.output_tokens + reply.thought_tokens
    return usage


def _prompt_usage(ask: Ask, reply: Reply) -> dict[str, Any]:
    """What was used before the first token."""
    cached = {"cachedContentTokenCount": reply.cached_tokens} if reply.cached_tokens else {}
    return {
        "promptTokenCount": reply.input_tokens,
        **cached,
        "totalTokenCount": reply.input_tokens,
        "promptTokensDetails": modalities(ask, reply.input_tokens),
        "serviceTier": "standard",
    }


def modalities(ask: Ask, prompt_tokens: int) -> list[Json]:
    """The tokens of the prompt by what they stand for."""
    files = Counter(_modality(kind) for message in ask.messages for kind in message.files)
    text = prompt_tokens - TOKENS_PER_FILE * files.total()
    counts = {"TEXT": text} | {name: TOKENS_PER_FILE * count for name, count in sorted(files.items())}
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


def _modality(media_type: str) -> str:
    kind = media_type.partition("/")[0].upper()
    return kind if kind in ("IMAGE", "AUDIO", "VIDEO") else "DOCUMENT"


def _logprobs(tokens: tuple[TokenLogprob, ...] | None) -> dict[str, Json]:
    if not tokens:
        return {}
    chosen = [_likely(each.token, each.logprob) for each in tokens]
    top = [{"candidates": [_likely(*other) for other in each.top]} for each in tokens]
    mean = sum(each.logprob for each in tokens) / len(tokens)
    return {"avgLogprobs": mean, "logprobsResult": {"topCandidates": top, "chosenCandidates": chosen}}


def _likely(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logProbability": logprob}
