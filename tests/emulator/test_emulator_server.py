"""The server: its start, its end, its speed, its keys and its waiting."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from emulator import DEFAULT_PROFILES, EmulatorProcess, EmulatorSettings, serve
from mirepoix.errors import ConfigError

Start = Callable[[EmulatorSettings], EmulatorProcess]

CONNECTIONS = 32
REQUESTS = 3000
FLOOR = 300  # requests a second; on an idle machine it is more than ten times that


def request_bytes(number: int) -> bytes:
    messages = [{"role": "user", "content": f"What is the capital of France? {number}"}]
    body = json.dumps({"model": "gpt-4", "messages": messages}).encode()
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: x",
        "authorization: Bearer k",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def ask_in_turn(port: int, numbers: range) -> int:
    """Plain sockets: an HTTP client would be slower than the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = 0
    for number in numbers:
        writer.write(request_bytes(number))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        answered += head.startswith("HTTP/1.1 200")
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
    writer.close()
    return answered


async def ask_on_many_connections(port: int) -> int:
    turns = (ask_in_turn(port, range(first, REQUESTS, CONNECTIONS)) for first in range(CONNECTIONS))
    return sum(await asyncio.gather(*turns))


def test_it_answers_many_requests_a_second(
    start: Start, tmp_path: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator = start(EmulatorSettings(time_scale=0, bill=tmp_path / "bill.db", answers=(answers,)))
    started = time.monotonic()
    answered = asyncio.run(ask_on_many_connections(int(emulator.url.rsplit(":", 1)[1])))
    rate = REQUESTS / (time.monotonic() - started)
    with capsys.disabled():
        print(f"\nemulator: {rate:,.0f} requests a second, each on the bill before its answer")
    assert answered == REQUESTS
    assert httpx.get(f"{emulator.url}/_bill", trust_env=False).json()["billed"] == REQUESTS
    assert rate > FLOOR


def test_the_latency_is_waited_for_times_the_scale(start: Start) -> None:
    profile = replace(DEFAULT_PROFILES["gpt-4"], ttft_median=3, ttft_sigma=0, tokens_per_second=1e6)
    emulator = start(EmulatorSettings(time_scale=0.1, models={"gpt-4": profile}))
    with httpx.Client(base_url=emulator.url, headers={"authorization": "Bearer k"}, trust_env=False) as client:
        started = time.monotonic()
        answer = client.post(
            "/v1/chat/completions", json={"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]}
        )
        waited = time.monotonic() - started
    assert 0.29 < waited < 1.5
    assert int(answer.headers["openai-processing-ms"]) >= 299


def test_only_the_required_key_is_accepted(start: Start) -> None:
    emulator = start(EmulatorSettings(time_scale=0, require_key="sk-the-right-key"))
    openai = httpx.post(
        f"{emulator.url}/v1/chat/completions",
        json={},
        headers={"authorization": "Bearer sk-a-wrong-key"},
        trust_env=False,
    )
    assert openai.status_code == 401
    assert openai.json()["error"] == {
        "message": "Incorrect API key provided: sk-a-wro**-key. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    anthropic = httpx.post(f"{emulator.url}/v1/messages", json={}, headers={"x-api-key": "no"}, trust_env=False)
    assert anthropic.status_code == 401
    assert anthropic.json()["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}
    right = {"authorization": "Bearer sk-the-right-key"}
    assert httpx.get(f"{emulator.url}/v1/models", headers=right, trust_env=False).status_code == 200


def test_its_health_tells_what_it_was_started_with(emulator: EmulatorProcess) -> None:
    health = httpx.get(f"{emulator.url}/_health", trust_env=False).json()
    assert health == {"status": "ok", "seed": 0, "models": sorted(DEFAULT_PROFILES)}


def test_it_prints_nothing(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    emulator = start(EmulatorSettings(time_scale=0))
    httpx.post(f"{emulator.url}/v1/chat/completions", content=b"{", trust_env=False)
    emulator.stop()
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*Choose another --port"):
            serve(EmulatorSettings(), port=port)


def test_a_setting_out_of_its_range_is_named() -> None:
    with pytest.raises(ConfigError, match="time_scale is -1"):
        EmulatorSettings(time_scale=-1)
    with pytest.raises(ConfigError, match=r"error_correlation is 1\.1"):
        EmulatorSettings(error_correlation=1.1)


def test_a_bill_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the bill .* cannot be opened"):
        serve(EmulatorSettings(bill=tmp_path / "no" / "such" / "folder.db"))
