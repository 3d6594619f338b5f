"""Gemini asked over HTTP, whole or streamed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx

from emulator import EmulatorProcess
from tests.emulator.asking import Asking, asking

MODEL = "gemini-3.6-flash"
KEY = {"x-goog-api-key": "AIza-test"}
QUESTION = "What is the capital of France?"


def body_of(text: str = QUESTION, **config: Any) -> dict[str, Any]:
    """One prompt with this generationConfig."""
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    return body | ({"generationConfig": config} if config else {})


@dataclass
class Chunks:
    """What came of a stream, and how it ended."""

    data: list[Any] = field(default_factory=list)
    error: Exception | None = None

    def text(self) -> str:
        """The answer put together, without the thoughts."""
        return "".join(
            part["text"]
            for response in self.data
            if isinstance(response, dict)
            for candidate in response.get("candidates", ())
            for part in candidate.get("content", {}).get("parts", ())
            if "text" in part and not part.get("thought")
        )

    def reasons(self) -> list[str]:
        """The reasons of the end that were told."""
        told = [candidate.get("finishReason") for response in self.data for candidate in response.get("candidates", ())]
        return [reason for reason in told if reason]


@dataclass(frozen=True)
class Gemini:
    """A client of one emulator, and the emulator's other side."""

    there: Asking

    def post(self, body: Any, *, model: str = MODEL, method: str = "generateContent", **query: str) -> httpx.Response:
        """Send a body as it is, whatever comes back."""
        url = f"/v1beta/models/{model}:{method}"
        headers = {**KEY, "x-client-request-id": query.pop("tag", "")}
        return self.there.client.post(url, json=body, params=query, headers=headers)

    def ask(self, text: str = QUESTION, **config: Any) -> Any:
        """The answer to one prompt."""
        return self.post(body_of(text, **config)).raise_for_status().json()

    def refused(self, body: Any) -> dict[str, Any]:
        """The error that a wrong request gets."""
        answer = self.post(body)
        assert answer.status_code == 400, answer.text
        error: dict[str, Any] = answer.json()["error"]
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        return error

    def stream(self, body: Any, *, tag: str = "") -> Chunks:
        """Ask for a stream of events and read it to its end, whatever that is."""
        read, url = Chunks(), f"/v1beta/models/{MODEL}:streamGenerateContent"
        headers = {**KEY, "x-client-request-id": tag}
        try:
            with self.there.client.stream("POST", url, json=body, params={"alt": "sse"}, headers=headers) as answer:
                assert answer.status_code == 200, answer.read()
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        read.data.append(_json(line.removeprefix("data: ")))
        except httpx.HTTPError as error:
            read.error = error
        return read


def gemini_of(emulator: EmulatorProcess) -> Gemini:
    """Ask this emulator."""
    return Gemini(asking(emulator))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
