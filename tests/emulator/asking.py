"""Both providers asked the same way, for tests in which it does not matter which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from emulator import EmulatorProcess
from emulator.profiles import WireApi

APIS: tuple[WireApi, ...] = ("openai", "anthropic")
MODELS: dict[WireApi, str] = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-4-5"}
NUMBERS = count()
KEYS = {"authorization": "Bearer sk-test", "anthropic-version": "2026-10-21"}


def tag_of(text: str) -> str:
    """A tag of its own for a request, among those of all files: they may share an emulator and its bill."""
    return f"{text}-{next(NUMBERS)}/$"


@dataclass(frozen=True)
class Asking:
    """A client of one emulator."""

    client: httpx.Client

    def ask(
        self, api: WireApi, text: str = "What?", *, tag: str = "", model: str = "", max_tokens: int = 200
    ) -> httpx.Response:
        """Send one prompt, whatever comes back."""
        body = {
            "model": model or MODELS[api],
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": text}],
        }
        path = "/v1/chat/completions" if api == "openai" else "/v1/messages"
        return self.client.post(path, json=body, headers={**KEYS, "x-client-request-id": tag})

    def say(self, api: WireApi, text: str, *, model: str = "") -> str:
        """The text of the answer."""
        answer = self.ask(api, text, model=model).raise_for_status().json()
        content = answer["choices"][0]["message"]["content"] if api == "openai" else answer["content"][0]["text"]
        assert isinstance(content, str)
        return content

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Replace the active faults."""
        answer = self.client.post("/__emu/faults", json={"faults": faults})
        assert answer.status_code == 200, answer.text

    def struck(self) -> list[int]:
        """How often each active fault struck."""
        return [fault["struck"] for fault in self.client.get("/__emu/faults").json()["faults"]]

    def rows(self, **query: str | int) -> list[dict[str, Any]]:
        """The rows of the bill that fit."""
        rows: list[dict[str, Any]] = self.client.get("/_bill", params={"rows": "1", **query}).json()["rows"]
        return rows


def asking(emulator: EmulatorProcess, *, timeout: float = 20) -> Asking:
    """Ask this emulator."""
    return Asking(httpx.Client(base_url=emulator.url, trust_env=False, timeout=timeout))
