"""Google Gemini, generateContent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pydantic import JsonValue

from tasks.providers.base import Completion, OnText, Question
from tasks.providers.gemini_reply import Reply, read_reply
from tasks.providers.gemini_request import build_body
from tasks.providers.gemini_stream import GeminiStream
from tasks.providers.http import Endpoint
from tasks.providers.openai_request import Body
from tasks.providers.replies import hand_over
from tasks.providers.trouble import validated


class GeminiAdapter:
    """POST {base_url}/models/{model}:generateContent, or :streamGenerateContent?alt=sse."""

    def __init__(self, endpoint: Endpoint, headers: dict[str, str], extra: Mapping[str, JsonValue]) -> None:
        self._endpoint = endpoint
        self._headers = headers
        self._extra = extra

    def body(self, question: Question) -> Body:
        """The request's JSON, and the model, which is sent as a part of the address."""
        return build_body(question) | dict(self._extra)

    async def send(self, body: Body, tag: str, on_text: OnText | None = None) -> Completion:
        """Ask once. Raises ProviderError."""
        content = {key: value for key, value in body.items() if key != "model"}
        model, headers = quote(str(body["model"]), safe=""), self._headers | {"x-client-request-id": tag}
        if on_text is None:
            answer = await self._endpoint.post(f"/models/{model}:generateContent", headers, content)
            return read_reply(validated(Reply, answer.data, answer.status), body["contents"], answer)
        stream = GeminiStream(on_text)
        path = f"/models/{model}:streamGenerateContent?alt=sse"
        answer = await self._endpoint.stream(path, headers, content, stream.take)
        whole = stream.whole() if answer.data is None else validated(Reply, answer.data, answer.status)
        completion = read_reply(whole, body["contents"], answer)
        if answer.data is not None:
            hand_over(completion.answer, on_text)
        return completion
