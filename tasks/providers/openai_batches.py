"""OpenAI's batches: a file of requests goes up, a file of answers comes down.

Facts: https://developers.openai.com/api/docs/guides/batch, and the types of the official SDK (3.57).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, JsonValue

from tasks.providers.base import Completion
from tasks.providers.batches import BatchApi, SentBatch, ShownBatch, unanswered
from tasks.providers.http import Answer
from tasks.providers.openai_reply import read_reply
from tasks.providers.trouble import bad_answer, error_in_answer, refusal, validated

ADDRESS = "/v1/chat/completions"
KEY = "mirepoix_batch"
"""Under this name our key stands in the batch's metadata."""
A_PART = 65_536
BOUNDARY = "mirepoix-9b1f6f0e2d7c4a58"
"""Between the parts of the form; a line of JSON never begins with two dashes."""
KEPT: dict[str, JsonValue] = {"anchor": "created_at", "seconds": 3 * 86_400}
"""How long OpenAI keeps requests and answers: a day to answer, and two for us to fetch, rather than a month."""


class Problem(BaseModel):
    """Why a batch, or one of its requests, was not taken on."""

    code: str | None = None
    message: str | None = None

    def __str__(self) -> str:
        return f"{self.code or 'error'}: {(self.message or 'no reason given')[:300]}"


class Problems(BaseModel):
    """Several of them."""

    data: list[Problem] | None = None


class Shown(ShownBatch):
    """A batch."""

    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Problems | None = None
    metadata: dict[str, str] | None = None


class Uploaded(BaseModel):
    """A file."""

    id: str


class Response(BaseModel):
    """The answer to one request."""

    status_code: int
    request_id: str | None = None
    body: dict[str, Any] | None = None


class Line(BaseModel):
    """A line of results."""

    custom_id: str
    response: Response | None = None
    error: Problem | None = None


class OpenAIBatches(BatchApi):
    """POST {base_url}/files and /batches, GET the batch, GET its files."""

    at: ClassVar[str] = "/batches"
    cursor: ClassVar[str] = "after"

    def line(self, custom_id: str, body: dict[str, JsonValue]) -> bytes:
        """A line of the file."""
        asked = {"custom_id": custom_id, "method": "POST", "url": ADDRESS, "body": body}
        return json.dumps(asked).encode() + b"\n"

    async def find(self, key: str, requests: int, since: datetime) -> str | None:
        """Looks through the list of batches, the latest first, for the one with `key` in its metadata."""
        async for batch in self._listed(Shown, since):
            if (batch.metadata or {}).get(KEY) == key:
                return batch.id
        return None

    async def send(self, key: str, lines: IO[bytes]) -> str:
        """Upload the file, then make a batch of it."""
        form = f"multipart/form-data; boundary={BOUNDARY}"
        answer = await self._endpoint.upload("/files", self._headers, _form(key, lines), form)
        file = validated(Uploaded, answer.data, answer.status)
        asked: dict[str, JsonValue] = {
            "input_file_id": file.id,
            "endpoint": ADDRESS,
            "completion_window": "24h",
            "metadata": {KEY: key},
            "output_expires_after": KEPT,
        }
        answer = await self._endpoint.post(self.at, self._headers, asked)
        return validated(Shown, answer.data, answer.status).id

    async def look(self, remote_id: str) -> SentBatch:
        """How it stands."""
        batch = await self._shown(Shown, remote_id)
        files = (batch.output_file_id, batch.error_file_id)
        problems = (batch.errors and batch.errors.data) or []
        return SentBatch(
            ended=batch.status in ("completed", "failed", "expired", "cancelled"),
            cancelling=batch.status in ("cancelling", "cancelled"),
            results=tuple(f"/files/{quote(file, safe='')}/content" for file in files if file),
            error="; ".join(map(str, problems[:5])) or None,
        )

    def completion(self, result: dict[str, Any], body: dict[str, JsonValue]) -> Completion:
        """The answer, unless it is an error or never came."""
        line = validated(Line, result, None)
        if line.response is None:
            raise unanswered(str(line.error or "the batch ended without an answer"))
        status, data = line.response.status_code, line.response.body or {}
        headers = httpx.Headers({"x-request-id": line.response.request_id or ""})
        if status >= 300:
            raise refusal(json.dumps(data).encode(), status, headers)
        if (error := error_in_answer(data, status, headers)) is not None:
            raise error
        if not data:
            raise bad_answer("the answer has no body", status)
        return read_reply(data, body["messages"], Answer(data, status, headers))


async def _form(key: str, lines: IO[bytes]) -> AsyncIterator[bytes]:
    """The fields of the upload (RFC 7578), without ever holding all of the file."""
    field = f"--{BOUNDARY}\r\ncontent-disposition: form-data; name="
    kept = [(f"expires_after[{name}]", value) for name, value in KEPT.items()]
    for name, value in [("purpose", "batch"), *kept]:
        yield f'{field}"{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'{field}"file"; filename="mirepoix-{key}.jsonl"\r\ncontent-type: application/jsonl\r\n\r\n'.encode()
    while part := lines.read(A_PART):
        yield part
    yield f"\r\n--{BOUNDARY}--\r\n".encode()
