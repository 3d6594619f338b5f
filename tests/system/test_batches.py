"""Calls that may wait, through real workers and the emulator's batch APIs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from mirepoix import Client, Handle, JobState
from mirepoix.ledger.tables import Batch
from mirepoix.states import BatchState, ErrorKind
from mirepoix.views import AttemptView
from tests.system.world import World, open_world, start_emulator

pytestmark = pytest.mark.system

CONFIG = Path(__file__).parent / "batches.yaml"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Batches end a second after they were sent."""
    with open_world(tmp_path_factory.mktemp("batches"), config=CONFIG, time_scale=1 / 60) as opened:
        opened.start_workers("orchestrate", "openai", "anthropic")
        yield opened


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[Client]:
    """A producer's client."""
    with world.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def expiring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Providers that come to no request of a batch before its time has run out."""
    home = tmp_path_factory.mktemp("expiring")
    scenario = home / "scenario.yaml"
    scenario.write_text("batches: {seconds: 1, expired: 1}")
    with open_world(home, config=CONFIG, emulate=False) as opened:
        start_emulator(opened, 0, "--scenario", str(scenario))
        opened.start_workers("orchestrate", "openai", "anthropic")
        yield opened


def attempts(handle: Handle) -> list[AttemptView]:
    """All of a job, in order."""
    return [attempt for step in handle.trace().steps for call in step.calls for attempt in call.attempts]


def set_faults(world: World, *faults: dict[str, Any]) -> None:
    httpx.post(f"{world.settings.emulator_url}/__emu/faults", json={"faults": faults}, trust_env=False)


@pytest.mark.parametrize("pipeline", ["ask_luna", "ask_haiku"])
def test_calls_that_may_wait_go_together_and_cost_half(world: World, client: Client, pipeline: str) -> None:
    now = client.submit(pipeline, f"{pipeline}: which letter is number 0?")
    later = client.submit_many(
        pipeline, [f"{pipeline}: which letter is number {number}?" for number in range(1, 9)], latency="batch"
    )
    now.wait(40)
    assert [view.state for view in client.as_ended(later, 40)] == [JobState.SUCCEEDED] * 8
    (alone,) = attempts(now)
    together = [attempt for handle in later for attempt in attempts(handle)]
    assert alone.batch is None
    batches = {attempt.batch for attempt in together}
    assert None not in batches
    assert len(batches) < len(together)
    assert {attempt.outcome for attempt in together} == {"answered"}
    assert alone.cost_usd is not None
    assert {attempt.cost_usd for attempt in together} == {alone.cost_usd / 2}
    billed = world.bill()["by_tag"]
    total = sum(
        (Decimal(billed[tag]["cost_usd"]) for tag in billed if tag.startswith(str(together[0].batch))), Decimal()
    )
    assert total == sum((attempt.cost_usd or Decimal() for attempt in together), Decimal()) > 0


def test_batches_are_listed_and_their_provider_forgets_them_soon(world: World, client: Client) -> None:
    handle = client.submit("ask_luna", "Which batch is this?", latency="batch")
    assert handle.result(40)
    (attempt,) = attempts(handle)

    def listed() -> list[dict[str, Any]]:
        return [batch for batch in world.lines("batches", "--state", "ended") if batch["id"] == attempt.batch]

    world.until(lambda: bool(listed()), "the batch to end")
    (batch,) = listed()
    assert (batch["provider"], batch["model"], batch["error"]) == ("openai", "luna", None)
    assert batch["created_at"] < batch["sent_at"] < batch["ended_at"]
    url = f"{world.settings.emulator_url}/v1"
    with httpx.Client(headers={"authorization": "Bearer emulated"}, trust_env=False) as http:
        about = http.get(f"{url}/batches/{batch['remote_id']}").json()
        for id_ in (about["input_file_id"], about["output_file_id"]):
            file = http.get(f"{url}/files/{id_}").json()
            assert file["expires_at"] - file["created_at"] == 3 * 24 * 3600


def test_what_follows_a_batched_call_goes_on(client: Client) -> None:
    chain = client.submit("report", "Say a word.", latency="batch")
    both = client.submit("both", "Say a word.", latency="batch")
    assert chain.result(60)
    assert both.result(60)
    assert all(attempt.batch for handle in (chain, both) for attempt in attempts(handle))


def test_a_deadline_far_enough_is_a_batch_and_a_near_one_is_not(client: Client) -> None:
    far, near = client.submit("ask_luna", "far", deadline=25 * 3600), client.submit("ask_luna", "near", deadline=3600)
    asked = client.submit("ask_luna", "at once", deadline=25 * 3600, latency="now")
    for handle in (far, near, asked):
        handle.wait(40)
    assert [bool(attempts(handle)[0].batch) for handle in (far, near, asked)] == [True, False, False]


def test_what_a_batch_gives_back_is_asked_alone(world: World, client: Client) -> None:
    set_faults(world, {"kind": "status", "status": 500, "times": 1, "match": {"contains": "unlucky"}})
    handle = client.submit("ask_luna", "unlucky", latency="batch")
    assert handle.result(40)
    first, second = attempts(handle)
    assert (bool(first.batch), first.error_kind, first.cost_usd) == (True, ErrorKind.OVERLOADED, None)
    assert (second.batch, second.outcome) == (None, "answered")


def test_what_no_model_answers_moves_to_the_fallback(world: World, client: Client) -> None:
    set_faults(world, {"kind": "status", "status": 400, "times": 1, "match": {"contains": "unwelcome"}})
    handle = client.submit("ask_mini", "unwelcome", latency="batch")
    assert handle.result(40)
    first, second = attempts(handle)
    assert (bool(first.batch), first.error_kind) == (True, ErrorKind.BAD_REQUEST)
    assert (second.batch, second.because) == (None, "fallback")


def test_an_answer_that_breaks_its_schema_is_asked_for_again_alone(world: World, client: Client) -> None:
    set_faults(world, {"kind": "schema_violation", "times": 1, "match": {"contains": "give a number"}})
    handle = client.submit("strict", "give a number", latency="batch")
    assert handle.result(40)
    first, second = attempts(handle)
    assert (bool(first.batch), first.error_kind) == (True, ErrorKind.INVALID_OUTPUT)
    assert first.cost_usd is not None
    assert (second.batch, second.because) == (None, "re-ask")


def test_a_batch_that_nobody_waits_for_is_cancelled(world: World, client: Client) -> None:
    handles = client.submit_many("ask_luna", ["one that is not needed", "nor this"], latency="batch")
    world.until(lambda: all(attempts(handle) for handle in handles), "the calls to join a batch")
    batch = attempts(handles[0])[0].batch

    def state() -> str:
        with world.database.read() as connection:
            return str(connection.scalar(select(Batch.state).where(Batch.id == batch)))

    world.until(lambda: state() == BatchState.SENT, "the batch to be sent")
    for handle in handles:
        assert handle.cancel()
    world.until(lambda: state() == BatchState.ENDED, "the batch to end")
    assert {attempts(handle)[0].error_kind for handle in handles} == {ErrorKind.UNANSWERED}
    assert {handle.state for handle in handles} == {JobState.CANCELLED}


@pytest.mark.parametrize("pipeline", ["ask_luna", "ask_haiku"])
def test_what_expires_in_its_batch_is_asked_alone_at_the_full_price(expiring: World, pipeline: str) -> None:
    with expiring.client() as client:
        handles = client.submit_many(pipeline, [f"{pipeline} in time, please: {n}" for n in range(4)], latency="batch")
        assert {view.state for view in client.as_ended(handles, 60)} == {JobState.SUCCEEDED}
        pairs = [attempts(handle) for handle in handles]
    for expired, alone in pairs:
        assert (bool(expired.batch), expired.error_kind, expired.cost_usd) == (True, ErrorKind.UNANSWERED, None)
        assert (alone.batch, alone.outcome, alone.because) == (None, "answered", "claimed again")
    batches = {str(expired.batch) for expired, _ in pairs}
    ended = {batch["id"] for batch in expiring.lines("batches", "--state", "ended")}
    assert batches <= ended
    by_tag = expiring.bill()["by_tag"]
    assert not [tag for tag in by_tag if tag.split("-")[0] in batches], "who expires is not billed"
    billed = sum((Decimal(by_tag[f"{handle.id}/$"]["cost_usd"]) for handle in handles), Decimal())
    assert billed == sum((alone.cost_usd or Decimal() for _, alone in pairs), Decimal()) > 0
