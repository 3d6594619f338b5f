"""The official SDKs' batches against the emulator; in strict mode, in which they validate all that they are sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from anthropic.types.messages import MessageBatch
from openai import OpenAI
from openai.types import Batch

from emulator import EmulatorProcess, EmulatorSettings, Scenario
from emulator.scenario import BatchCourse
from tests.conformance.conftest import Backstage

QUESTION = "What is the capital of France?"
PATIENCE = 20.0


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{emulator.url}/v1", api_key="sk-test", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture
def claude(emulator: EmulatorProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=emulator.url, api_key="sk-test", _strict_response_validation=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def slow() -> Iterator[EmulatorProcess]:
    """One whose batches take an hour unless they are cancelled."""
    with EmulatorProcess(EmulatorSettings(scenario=Scenario(batches=BatchCourse(seconds=3600)))) as running:
        yield running


def line(custom_id: str, content: str = QUESTION, url: str = "/v1/chat/completions", **more: Any) -> str:
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": content}], **more}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body})


def sent(client: OpenAI, *lines: str, **metadata: str) -> Batch:
    file = client.files.create(file=("asked.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(client: OpenAI, id_: str) -> Batch:
    until(lambda: client.batches.retrieve(id_).status not in ("validating", "in_progress", "finalizing", "cancelling"))
    return client.batches.retrieve(id_)


def results(client: OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    return {each["custom_id"]: each for each in map(json.loads, client.files.content(file_id).text.splitlines())}


def test_openai_answers_a_batch_at_half_the_price(client: OpenAI, backstage: Backstage) -> None:
    client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": QUESTION}])
    batch = ended(client, sent(client, line("one"), line("wrong", model="gpt-nothing"), ours="7").id)
    assert (batch.status, batch.metadata) == ("completed", {"ours": "7"})
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 2, "completed": 1, "failed": 1}
    one, wrong = results(client, batch.output_file_id)["one"], results(client, batch.error_file_id)["wrong"]
    assert one["response"]["body"]["choices"][0]["message"]["content"] == "Paris"
    assert (wrong["response"]["status_code"], wrong["response"]["body"]["error"]["code"]) == (404, "model_not_found")
    plain, half, unbilled = backstage.rows()
    assert float(half["cost_usd"]) == float(plain["cost_usd"]) / 2 > 0
    assert (half["tag"], half["billed"], unbilled["billed"]) == ("one", True, False)


def test_openai_refuses_a_file_that_is_no_batch(client: OpenAI) -> None:
    batch = ended(client, sent(client, line("same"), line("same")).id)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert (batch.status, batch.errors.data[0].code, batch.errors.data[0].line) == ("failed", "duplicate_custom_id", 2)
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-x", endpoint="/v1/chat/completions", completion_window="24h")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_x")


def test_openai_lists_batches_with_the_latest_first(client: OpenAI) -> None:
    ids = [sent(client, line("one")).id for _ in range(3)]
    assert [batch.id for batch in client.batches.list(limit=1)][:3] == ids[::-1]
    deleted = client.files.delete(client.batches.retrieve(ids[0]).input_file_id)
    assert deleted.deleted


def test_openai_says_when_files_expire(client: OpenAI) -> None:
    expiry: Any = {"anchor": "created_at", "seconds": 3_600}
    file = client.files.create(file=("a.jsonl", line("one").encode()), purpose="batch", expires_after=expiry)
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        output_expires_after=expiry,
    )
    output = client.files.retrieve(str(ended(client, batch.id).output_file_id))
    assert [each.expires_at and each.expires_at - each.created_at for each in (file, output)] == [3_600, 3_600]
    expiry["seconds"] = 60
    with pytest.raises(openai.BadRequestError, match="greater than or equal to 3600"):
        client.files.create(file=("a.jsonl", b""), purpose="batch", expires_after=expiry)


def test_openai_cancels(slow: EmulatorProcess) -> None:
    with OpenAI(base_url=f"{slow.url}/v1", api_key="sk-test", _strict_response_validation=True) as client:
        batch = sent(client, line("one"))
        assert batch.status == "in_progress"
        assert client.batches.cancel(batch.id).status == "cancelling"
        gone = ended(client, batch.id)
        assert (gone.status, gone.output_file_id, gone.error_file_id) == ("cancelled", None, None)


def test_openai_shows_what_a_fault_did_to_a_request(client: OpenAI, backstage: Backstage) -> None:
    backstage.set_faults({"kind": "status", "status": 500, "times": 1}, {"kind": "malformed", "times": 1})
    batch = ended(client, sent(client, line("a", "1"), line("b", "2"), line("c", "3")).id)
    failed = results(client, batch.error_file_id)
    assert sorted(each["response"]["status_code"] for each in failed.values()) == [500, 500]
    assert len(results(client, batch.output_file_id)) == 1


def test_some_requests_expire() -> None:
    scenario = Scenario(batches=BatchCourse(seconds=0, expired=0.5))
    with (
        EmulatorProcess(EmulatorSettings(time_scale=0, scenario=scenario)) as running,
        OpenAI(base_url=f"{running.url}/v1", api_key="k", _strict_response_validation=True) as client,
    ):
        batch = ended(client, sent(client, *(line(f"r{number}", str(number)) for number in range(20))).id)
        late, good = results(client, batch.error_file_id), results(client, batch.output_file_id)
    assert batch.status == "expired"
    assert (len(late) + len(good), bool(late), bool(good)) == (20, True, True)
    assert {each["error"]["code"] for each in late.values()} == {"batch_expired"}


def asked(custom_id: str, model: str = "claude-haiku-4-5") -> Any:
    return {
        "custom_id": custom_id,
        "params": {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": QUESTION}]},
    }


def end_of(claude: Anthropic, id_: str) -> MessageBatch:
    until(lambda: claude.messages.batches.retrieve(id_).processing_status == "ended")
    return claude.messages.batches.retrieve(id_)


def test_anthropic_answers_a_batch_at_half_the_price(claude: Anthropic, backstage: Backstage) -> None:
    claude.messages.create(**asked("one")["params"])
    batch = claude.messages.batches.create(requests=[asked("one"), asked("wrong", "claude-nothing")])
    whole = end_of(claude, batch.id)
    assert (whole.request_counts.succeeded, whole.request_counts.errored) == (1, 1)
    found = {each.custom_id: each.result for each in claude.messages.batches.results(batch.id)}
    assert found["one"].type == "succeeded"
    assert found["one"].message.content[0].type == "text"
    assert found["one"].message.content[0].text == "Paris"
    assert found["wrong"].type == "errored"
    assert found["wrong"].error.error.type == "not_found_error"
    plain, half, _ = backstage.rows()
    assert float(half["cost_usd"]) == float(plain["cost_usd"]) / 2 > 0
    assert next(iter(claude.messages.batches.list(limit=1))).id == batch.id


def test_anthropic_cancels(slow: EmulatorProcess) -> None:
    with Anthropic(base_url=slow.url, api_key="sk-test", _strict_response_validation=True) as claude:
        batch = claude.messages.batches.create(requests=[asked("one")])
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 1)
        assert claude.messages.batches.cancel(batch.id).cancel_initiated_at is not None
        assert end_of(claude, batch.id).request_counts.canceled == 1
        assert [each.result.type for each in claude.messages.batches.results(batch.id)] == ["canceled"]
