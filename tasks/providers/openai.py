"""OpenAI chat completions, and the many servers that speak the same format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import JsonValue

from tasks.providers.base import Completion, OnText, Question
from tasks.providers.http import Endpoint
from tasks.providers.openai_reply import read_reply
from tasks.providers.openai_request import Body, build_body
from tasks.providers.openai_stream import OpenAIStream
from tasks.providers.replies import hand_over

CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where a server differs from OpenAI's own.

    `path` may hold `{model}` (Azure's deployments). `extra` is added to each body; `rename` gives a field another name,
    or with None leaves it out.
    """

    path: str = CHAT
    extra: Mapping[str, JsonValue] = field(default_factory=dict)
    rename: Mapping[str, str | None] = field(default_factory=dict)

    def speak(self, body: Body) -> Body:
        """`body` in this dialect."""
        named = {self.rename.get(key, key): value for key, value in body.items()}
        return {key: value for key, value in named.items() if key is not None}


class OpenAIAdapter:
    """POST {base_url}/chat/completions."""

    def __init__(self, endpoint: Endpoint, headers: dict[str, str], dialect: Dialect | None = None) -> None:
        self._endpoint = endpoint
        self._headers = headers
        self._dialect = dialect or Dialect()

    def body(self, question: Question) -> Body:
        """The request's JSON. Raises PipelineError for a file that cannot be sent."""
        return self._dialect.speak(build_body(question) | dict(self._dialect.extra))

    async def send(self, body: Body, tag: str, on_text: OnText | None = None) -> Completion:
        """Ask once. Raises ProviderError."""
        path = self._dialect.path.format(model=quote(str(body["model"]), safe=""))
        headers = self._headers | {"x-client-request-id": tag}
        if on_text is None:
            answer = await self._endpoint.post(path, headers, body)
            return read_reply(answer.data or {}, body["messages"], answer)
        stream = OpenAIStream(on_text)
        streaming = self._dialect.speak(body | {"stream": True, "stream_options": {"include_usage": True}})
        answer = await self._endpoint.stream(path, headers, streaming, stream.take)
        completion = read_reply(stream.whole() if answer.data is None else answer.data, body["messages"], answer)
        if answer.data is not None:
            hand_over(completion.answer, on_text)
        return completion
