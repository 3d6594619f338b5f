"""Anthropic messages."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from mirepoix.config import ANTHROPIC_WITHOUT_SAMPLING
from tasks.providers.anthropic_reply import read_reply
from tasks.providers.anthropic_request import build_body
from tasks.providers.anthropic_stream import AnthropicStream
from tasks.providers.base import Completion, OnText, Question
from tasks.providers.http import Endpoint
from tasks.providers.openai_request import Body
from tasks.providers.replies import hand_over

MOST_UNSTREAMED = 21_333
"""Above so many max_tokens an answer may take longer than the 10 minutes after which idle lines are cut.

The SDK refuses to wait for it in one piece (`3600 * max_tokens / 128_000 > 600`).
"""


class AnthropicAdapter:
    """POST {base_url}/messages. The API version is pinned: from 2026-10-21 on sampling parameters are refused."""

    def __init__(
        self, endpoint: Endpoint, headers: dict[str, str], version: str | None, extra: Mapping[str, JsonValue]
    ) -> None:
        self._endpoint = endpoint
        self._version = version or ANTHROPIC_WITHOUT_SAMPLING
        self._headers = {"anthropic-version": self._version} | headers
        self._extra = extra

    def body(self, question: Question) -> Body:
        """The request's JSON."""
        return build_body(question, self._version) | dict(self._extra)

    async def send(self, body: Body, tag: str, on_text: OnText | None = None) -> Completion:
        """Ask once; a long answer is streamed, whoever listens. Raises ProviderError."""
        headers, most = self._headers | {"x-client-request-id": tag}, body["max_tokens"]
        if on_text is None and not (isinstance(most, int) and most > MOST_UNSTREAMED):
            answer = await self._endpoint.post("/messages", headers, body)
            return read_reply(answer.data or {}, body["messages"], answer)
        stream = AnthropicStream(on_text)
        answer = await self._endpoint.stream("/messages", headers, body | {"stream": True}, stream.take)
        completion = read_reply(stream.whole() if answer.data is None else answer.data, body["messages"], answer)
        if answer.data is not None:
            hand_over(completion.answer, on_text)
        return completion
