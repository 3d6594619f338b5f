"""The same seed and the same requests give the same answers, tokens and latencies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from emulator import EmulatorProcess, EmulatorSettings

Start = Callable[[EmulatorSettings], EmulatorProcess]
Said = tuple[str, int, float]

HARD = "\n".join(
    f'{{"id": "q{number}", "question": "What is the {number}th secret of the temple?", "answer": "right", '
    f'"wrong": ["one", "two", "three"], "difficulty": 1}}'
    for number in range(20)
)


def ask_twice_about_everything(emulator: EmulatorProcess, key: str = "k") -> list[Said]:
    with httpx.Client(base_url=emulator.url, headers={"authorization": f"Bearer {key}"}, trust_env=False) as client:
        said = []
        for number in list(range(20)) * 2:
            messages = [{"role": "user", "content": f"Confidence?\nWhat is the {number}th secret of the temple?"}]
            answer = client.post("/v1/chat/completions", json={"model": "gpt-5.4-mini", "messages": messages}).json()
            said.append((answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]))
        rows: list[dict[str, Any]] = client.get("/_bill", params={"rows": "1"}).json()["rows"]
    return [(text, tokens, row["latency"]) for (text, tokens), row in zip(said, rows[-40:], strict=True)]


def test_a_replay_of_the_run_is_the_same_but_a_retry_and_another_seed_are_not(start: Start, tmp_path: Path) -> None:
    answers = tmp_path / "hard.jsonl"
    answers.write_text(HARD, encoding="utf-8")
    first = ask_twice_about_everything(start(EmulatorSettings(seed=7, time_scale=0, answers=(answers,))))
    replay = ask_twice_about_everything(start(EmulatorSettings(seed=7, time_scale=0, answers=(answers,))))
    other = ask_twice_about_everything(start(EmulatorSettings(seed=8, time_scale=0, answers=(answers,))))
    assert replay == first
    assert other != first
    assert first[:20] != first[20:], "the second attempt at a question has luck of its own"


def test_the_luck_does_not_depend_on_the_key(start: Start) -> None:
    emulator = start(EmulatorSettings(time_scale=0))
    assert ask_twice_about_everything(emulator, "one") == ask_twice_about_everything(emulator, "two")


def test_the_order_of_keys_and_the_white_space_in_a_body_do_not_matter(openai: httpx.Client) -> None:
    texts = [
        b'{"model": "gpt-4", "seed": 77, "messages": [{"role": "user", "content": "x"}]}',
        b'{"messages":[{"content":"x","role":"user"}],"model":"gpt-4","seed":77}',
    ]
    for text in texts:
        openai.post("/v1/chat/completions", content=text, headers={"X-Client-Request-Id": "canonical"})
    rows = openai.get("/_bill", params={"rows": "1", "tag": "canonical"}).json()["rows"]
    assert len({row["prompt_hash"] for row in rows}) == 1
    assert [row["attempt"] for row in rows] == [0, 1]
