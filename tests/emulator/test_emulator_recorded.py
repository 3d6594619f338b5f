"""Models that say again what real ones of their names were recorded to say, and cost what those cost."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator import EmulatorSettings, create_app
from emulator.profiles import DEFAULT_PROFILES
from emulator.questions import load_questions
from mirepoix.errors import ConfigError

STRONG = replace(DEFAULT_PROFILES["gpt-4"], name="strong")
WEAK = replace(STRONG, name="weak")
OTHER = replace(STRONG, name="other", skill=99, guess=1)
QUESTION = "A farmer has\n  17 sheep; all but 9 die. How many are left?"
LINE = {
    "id": "sheep",
    "question": QUESTION,
    "answer": "9",
    "score": {"strong": 1, "weak": 0, "scored": 1, "failed": 0.0},
    "pred": {"strong": 9, "weak": "8"},
    "response": {"strong": "Nine are left."},
    "in_tokens": {"strong": 1000},
    "out_tokens": {"strong": 500},
    "out_chars": {"weak": 403},
    "hash": "passed over",
}


def write(folder: Path, *lines: Any, packed: bool = False) -> Path:
    path = folder / "recorded.jsonl"
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if packed else text)
    return path


async def ask(settings: EmulatorSettings, model: str, prompt: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as client:
        return await client.post("/v1/chat/completions", json=body, headers={"Authorization": "Bearer any"})


def emulating(path: Path, *, only: bool = False) -> EmulatorSettings:
    models = {profile.name: profile for profile in (STRONG, WEAK, OTHER)}
    return EmulatorSettings(time_scale=0, models=models, recorded=(path,), recorded_only=only)


def said(response: httpx.Response) -> tuple[str, int, int]:
    body = response.json()
    usage = body["usage"]
    return body["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"]


@pytest.mark.anyio
@pytest.mark.parametrize("packed", [False, True])
async def test_a_model_gives_the_answer_recorded_of_it_with_its_tokens(tmp_path: Path, packed: bool) -> None:
    settings = emulating(write(tmp_path, LINE, packed=packed))
    prompt = "Answer briefly.\n\nA farmer has 17 sheep; all but 9\tdie. How many are left?\n\nThank you."
    assert said(await ask(settings, "strong", prompt)) == ("Nine are left.", 1000, 500)
    text, sent, received = said(await ask(settings, "weak", prompt))
    assert (text, received) == ("8", 101), "tokens of which only the characters are known, by the emulator's own rule"
    assert 0 < sent < 100
    cut = await ask(settings, "strong", prompt, max_tokens=2)
    assert said(cut) == ("Nine are", 1000, 2)


@pytest.mark.anyio
async def test_what_was_not_recorded_is_answered_as_ever_or_not_found(tmp_path: Path) -> None:
    path = write(tmp_path, LINE)
    assert said(await ask(emulating(path), "other", QUESTION))[0] == "9", "it knows the right answer and is able"
    assert "does not know" in said(await ask(emulating(path), "strong", "What is the capital of Mars?"))[0]
    only = emulating(path, only=True)
    assert said(await ask(only, "strong", QUESTION))[0] == "Nine are left."
    for model, prompt in (("other", QUESTION), ("strong", "What is the capital of Mars?")):
        refused = await ask(only, model, prompt)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_of_scores_alone_the_right_answer_follows_where_it_is_known(tmp_path: Path) -> None:
    found = load_questions((), (write(tmp_path, LINE),)).find(QUESTION)
    assert found is not None
    assert {model: (answer.text, answer.right) for model, answer in found.question.recorded.items()} == {
        "strong": ("Nine are left.", True),
        "weak": ("8", False),
        "scored": ("9", True),
        "failed": ("I do not know.", False),
    }
    bare = {"question": QUESTION, "score": {"strong": 1}}
    found = load_questions((), (write(tmp_path, bare),)).find(QUESTION)
    assert found is not None
    assert found.question.recorded == {}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Invalid JSON"),
        ("[]", "an object"),
        ({"question": "", "score": {}}, "question"),
        ({"question": "x"}, "score"),
        ({"question": "x", "score": {"a": 1.5}}, "score.a"),
        ('{"question": "x", "score": {"a": NaN}}', "score.a"),
        ({"question": "x", "score": {"a": 1}, "out_tokens": {"a": -1}}, "out_tokens.a"),
        ('{"question": "x", "score": {"a": 1}, "in_tokens": {"a": Infinity}}', "in_tokens.a"),
        ({"question": "x", "score": {"a": 1}, "response": {"a": ["x"]}}, "response.a"),
        ("[" * 100_000, "Invalid JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"recorded\.jsonl:2: ") as caught:
        load_questions((), (write(tmp_path, LINE, line),))
    assert problem in str(caught.value)


@pytest.mark.parametrize("body", [b"\x1f\x8bnot gzip", gzip.compress(b"{}" * 1000, mtime=0)[:-20], b"\xff\xfe\x00"])
def test_what_cannot_be_read_is_said_so(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(body)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_questions((), (path,))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_questions((), (tmp_path / "none",))
