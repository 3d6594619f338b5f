"""Servers that others wrote, each in a process of its own, and the adapters that speak to them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from mirepoix.config import Api, Provider
from tasks.loop import Loop
from tasks.providers import open_adapter
from tasks.providers.base import Adapter, Completion, Question, Tool, Turn
from workers.stack import free_port

LOOP = Loop()
KEPT: list[Adapter] = []
"""Like those of a worker they are never closed; collected as garbage, each would print that it was not."""
BIN = Path(sys.executable).parent
PATIENCE = 30
WEATHER = Tool(
    "get_weather",
    "The weather of a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@contextmanager
def running(command: str, *arguments: str, health: str) -> Iterator[str]:
    """Start `command` on a free port; gives its URL once GET {url}{health} is answered."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [BIN / command, "serve", "--port", str(port), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(url + health, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def ask(url: str, api: Api, *, stream: bool = False, model: str = "gpt-4o", **said: Any) -> tuple[Completion, str]:
    """Put one question to the server at `url`; gives the answer, and the pieces as they were streamed, joined."""
    settings = {key: said.pop(key) for key in ("rename", "timeout", "extra_body") if key in said}
    provider = Provider.model_validate({"api": api, "base_url": url, "key_env": "KEY", "timeout": 10, **settings})
    adapter = open_adapter("p", provider, LOOP, emulator_url=None, environ={"KEY": "sk-any"})
    KEPT.append(adapter)
    options = {"turns": (Turn("user", "Why is the sky blue?"),), "system": None, "max_tokens": 500, "temperature": None}
    body = adapter.body(Question(target=model, **(options | said)))
    pieces: list[str] = []
    completion = LOOP.run(adapter.send(body, "01JOB/$", pieces.append if stream else None))
    return completion, "".join(pieces)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            if httpx.get(url, timeout=1, trust_env=False).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
