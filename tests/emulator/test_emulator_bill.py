"""The bill: what was answered, what it cost, and that neither is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator import DEFAULT_PROFILES, EmulatorProcess, EmulatorSettings, Fault, FaultKind, Scenario
from emulator.bill import Bill
from emulator.bill_query import BillQuery

Start = Callable[[EmulatorSettings], EmulatorProcess]

OPENAI = {"authorization": "Bearer sk-one"}
ANTHROPIC = {"x-api-key": "sk-two", "anthropic-version": "2026-10-21"}


def client_of(emulator: EmulatorProcess) -> httpx.Client:
    return httpx.Client(base_url=emulator.url, trust_env=False, timeout=20)


def ask_openai(client: httpx.Client, text: str, tag: str, model: str = "gpt-6-luna") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/chat/completions", json=body, headers={**OPENAI, "X-Client-Request-Id": tag})


def ask_anthropic(client: httpx.Client, text: str, tag: str) -> httpx.Response:
    body = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/messages", json=body, headers={**ANTHROPIC, "X-Client-Request-Id": tag})


def rows_of(client: httpx.Client, tag: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/_bill", params={"rows": "1", "tag": tag}).json()["rows"]
    return rows


def test_the_totals_are_exact_to_the_last_token(start: Start) -> None:
    client = client_of(start(EmulatorSettings(time_scale=0)))
    usages = [ask_openai(client, "x" * size, "job-1").json()["usage"] for size in range(1, 60, 7)]
    messages = [ask_anthropic(client, "What?", "job-2").json()["usage"] for _ in range(3)]
    ask_openai(client, "x", "job-3", model="none")

    of_job_1 = sum(
        Decimal("0.10") * usage["prompt_tokens"] + Decimal("0.50") * usage["completion_tokens"] for usage in usages
    )
    of_job_2 = sum(4 * usage["input_tokens"] + 20 * usage["output_tokens"] for usage in messages)
    total = client.get("/_bill").json()
    assert (total["calls"], total["billed"]) == (13, 12)
    assert total["input_tokens"] == sum(u["prompt_tokens"] for u in usages) + sum(u["input_tokens"] for u in messages)
    assert Decimal(total["cost_usd"]) == (of_job_1 + of_job_2) / 1_000_000
    assert {tag: each["billed"] for tag, each in total["by_tag"].items()} == {
        "job-1": 9,
        "job-2": 3,
        "job-3": 0,
    }
    assert Decimal(total["by_tag"]["job-1"]["cost_usd"]) == of_job_1 / 1_000_000
    assert total["by_tag"]["job-3"]["cost_usd"] == "0"


def test_a_row_says_who_asked_what_and_what_came_of_it(emulator: EmulatorProcess) -> None:
    client = client_of(emulator)
    answers = [ask_openai(client, "What is the capital of France?", "row") for _ in range(2)]
    refused = ask_anthropic(client, "", "row")
    first, second, third = rows_of(client, "row")
    assert first["request_id"] == answers[0].headers["x-request-id"]
    assert third["request_id"] == refused.headers["request-id"]
    assert (first["api"], first["model"], first["outcome"], first["billed"]) == (
        "openai",
        "gpt-6-luna",
        "ok",
        True,
    )
    assert (third["api"], third["outcome"], third["billed"]) == ("anthropic", "invalid_request_error", False)
    assert (first["attempt"], second["attempt"]) == (0, 1)
    assert first["prompt_hash"] == second["prompt_hash"] != third["prompt_hash"]
    assert first["key_hash"] == second["key_hash"] != third["key_hash"]
    assert first["cost_usd"] == "0.0000022"
    assert first["latency"] > 0
    assert first["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("model", "body", "headers", "outcome"),
    [
        ("none", None, OPENAI, "model_not_found"),
        ("gpt-4", None, {}, "invalid_request_error"),
        ("gpt-4", b"{", OPENAI, "invalid_request_error"),
    ],
)
def test_a_refusal_is_a_row_that_costs_nothing(
    emulator: EmulatorProcess, model: str, body: bytes | None, headers: dict[str, str], outcome: str
) -> None:
    client, tag = client_of(emulator), f"refusal-{model}-{body!r}-{len(headers)}"
    sent = body or b'{"model": "%s", "messages": [{"role": "user", "content": "x"}]}' % model.encode()
    client.post("/v1/chat/completions", content=sent, headers={**headers, "X-Client-Request-Id": tag})
    (row,) = rows_of(client, tag)
    assert (row["outcome"], row["billed"], row["cost_usd"]) == (outcome, False, "0")


def test_a_client_that_goes_away_is_billed_and_marked(start: Start) -> None:
    slow = replace(DEFAULT_PROFILES["gpt-4"], ttft_median=60, ttft_sigma=0)
    emulator = start(EmulatorSettings(models={"gpt-4": slow}))
    with (
        pytest.raises(httpx.ReadTimeout),
        httpx.Client(base_url=emulator.url, trust_env=False, timeout=0.3) as hasty,
    ):
        ask_openai(hasty, "What?", "hasty", model="gpt-4")
    client, deadline, rows = client_of(emulator), time.monotonic() + 10, list[dict[str, Any]]()
    while not rows and time.monotonic() < deadline:
        rows = rows_of(client, "hasty")
    assert [(row["outcome"], row["billed"]) for row in rows] == [("client_gone", True)]


def test_every_answer_that_left_is_on_the_bill_after_sigkill(start: Start, tmp_path: Path) -> None:
    settings = EmulatorSettings(time_scale=0, bill=tmp_path / "bill.db")
    emulator = start(settings)
    answered: list[str] = []
    enough = threading.Event()

    def ask_until_it_is_gone(worker: int) -> None:
        client, number = client_of(emulator), 0
        while True:
            tag = f"{worker}-{number}"
            try:
                ask_openai(client, "What?", tag).raise_for_status()
            except httpx.TransportError:
                return
            answered.append(tag)
            number += 1
            if len(answered) >= 300:
                enough.set()

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(ask_until_it_is_gone, worker) for worker in range(8)]
        in_time = enough.wait(timeout=20)
        emulator.kill()
        for worker in workers:
            worker.result()

    bill = client_of(start(settings)).get("/_bill").json()
    assert in_time
    assert set(answered) <= bill["by_tag"].keys()
    assert bill["calls"] - len(answered) <= 8, "at most the calls in flight are billed without an answer"


def test_the_bill_only_grows(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "bill.db"
    ask_openai(client_of(start(EmulatorSettings(time_scale=0, bill=path))), "What?", "kept")
    with sqlite3.connect(path) as connection:
        for statement in ("DELETE FROM bill", "UPDATE bill SET billed = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="the bill only grows"):
                connection.execute(statement)


def test_the_rows_of_a_job_of_a_moment_or_from_a_number_on_can_be_read_alone(start: Start) -> None:
    client = client_of(start(EmulatorSettings(time_scale=0)))
    for tag in ("J1/$", "J1/tiers.0", "J1", "J10/$", "J0/$"):
        ask_openai(client, "What?", tag)

    def tags(**query: str | int) -> list[str]:
        return [row["tag"] for row in client.get("/_bill", params={"rows": "1", **query}).json()["rows"]]

    assert tags(job="J1") == ["J1/$", "J1/tiers.0"]
    assert tags(tag="J1") == ["J1"]
    assert tags(since_seq=3) == ["J10/$", "J0/$"]
    assert tags(since_seq=1, limit=2) == ["J1/tiers.0", "J1"]
    moment = client.get("/_bill?rows=1").json()["rows"][3]["time"]
    assert tags(since=moment) == ["J10/$", "J0/$"]
    assert tags(since=moment.replace("+00:00", "Z"), job="J0") == ["J0/$"]
    total = client.get("/_bill", params={"job": "J1"}).json()
    assert (total["calls"], total["billed"], set(total["by_tag"])) == (2, 2, {"J1/$", "J1/tiers.0"})


@pytest.mark.parametrize(
    ("query", "message"),
    [("since_seq=x", "since_seq: Input"), ("row=1", "Did you mean 'rows'?"), ("since=2026-01-01", "since: Input")],
)
def test_a_mistake_in_a_query_is_named(emulator: EmulatorProcess, query: str, message: str) -> None:
    answer = client_of(emulator).get(f"/_bill?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_what_is_new_on_a_long_bill_is_found_through_the_index(tmp_path: Path) -> None:
    """Whatever is asked for, SQLite goes straight to it: it must not read a soak test's million rows."""
    bill = Bill(tmp_path / "bill.db")
    asyncio.run(bill.close())
    with sqlite3.connect(tmp_path / "bill.db") as connection:
        for query in (
            BillQuery(since_seq=5),
            BillQuery(job="J"),
            BillQuery(tag="J/$"),
            BillQuery(since=datetime.now(UTC)),
        ):
            where, values = query.where()
            plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM bill {where} ORDER BY seq", values).fetchall()
            assert "SEARCH bill USING" in plan[0][3], plan


def test_work_that_was_done_and_lost_is_on_the_bill_after_sigkill_and_the_bill_goes_on(
    start: Start, tmp_path: Path
) -> None:
    faults = (Fault(kind=FaultKind.BILLED_THEN_DROP, probability=0.5), Fault(kind=FaultKind.DROP, probability=0.2))
    settings = EmulatorSettings(time_scale=0, bill=tmp_path / "bill.db", scenario=Scenario(faults=faults))
    emulator = start(settings)
    seen: dict[str, bool] = {}
    killed, enough = threading.Event(), threading.Event()

    def ask_until_it_is_gone(worker: int) -> None:
        client, number = client_of(emulator), 0
        while not killed.is_set():
            tag = f"{worker}-{number}/$"
            try:
                answered = ask_openai(client, f"What is {tag}?", tag).is_success
            except httpx.TransportError:
                answered = False
            if not killed.is_set():
                seen[tag] = answered
            number += 1
            if len(seen) >= 300:
                enough.set()

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(ask_until_it_is_gone, worker) for worker in range(8)]
        in_time = enough.wait(timeout=30)
        killed.set()
        emulator.kill()
        for worker in workers:
            worker.result()

    client = client_of(start(replace(settings, scenario=Scenario())))
    ask_openai(client, "Are you there again?", "after/$")
    rows = client.get("/_bill?rows=1").json()["rows"]
    by_tag = {row["tag"]: row for row in rows}
    assert in_time
    assert seen.keys() <= by_tag.keys()
    assert all(by_tag[tag]["outcome"] == "ok" for tag, answered in seen.items() if answered)
    lost = Counter(by_tag[tag]["outcome"] for tag, answered in seen.items() if not answered)
    assert lost.keys() == {"billed_then_drop", "drop"}
    assert all(row["billed"] == (row["outcome"] != "drop") for row in rows)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["tag"] == "after/$"
