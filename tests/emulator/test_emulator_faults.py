"""Faults on demand, as any HTTP client sees them, and what the bill says of each."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from emulator import EmulatorProcess, Fault, FaultKind
from emulator.bill import Entry
from emulator.faults import Faults
from emulator.profiles import WireApi
from tests.emulator.asking import APIS, KEYS, MODELS, Asking, asking, tag_of

STATUSES = {
    ("openai", 400): ("invalid_request_error", None),
    ("openai", 401): ("invalid_request_error", "invalid_api_key"),
    ("openai", 403): ("request_forbidden", "unsupported_country_region_territory"),
    ("openai", 404): ("invalid_request_error", "model_not_found"),
    ("openai", 408): ("server_error", None),
    ("openai", 409): ("invalid_request_error", None),
    ("openai", 413): ("invalid_request_error", None),
    ("openai", 429): ("requests", "rate_limit_exceeded"),
    ("openai", 500): ("server_error", None),
    ("openai", 502): ("cf_bad_gateway", 502),
    ("openai", 503): ("service_unavailable_error", "server_is_overloaded"),
    ("openai", 504): ("cf_gateway_timeout", 504),
    ("openai", 529): ("service_unavailable_error", "server_is_overloaded"),
    ("anthropic", 400): ("invalid_request_error", None),
    ("anthropic", 401): ("authentication_error", None),
    ("anthropic", 403): ("permission_error", None),
    ("anthropic", 404): ("not_found_error", None),
    ("anthropic", 408): ("timeout_error", None),
    ("anthropic", 409): ("conflict_error", None),
    ("anthropic", 413): ("request_too_large", None),
    ("anthropic", 429): ("rate_limit_error", None),
    ("anthropic", 500): ("api_error", None),
    ("anthropic", 502): ("api_error", None),
    ("anthropic", 503): ("api_error", None),
    ("anthropic", 504): ("timeout_error", None),
    ("anthropic", 529): ("overloaded_error", None),
}


@pytest.mark.parametrize(("api", "status"), STATUSES)
def test_a_status_comes_in_the_words_of_the_provider_and_is_not_billed(
    emulated: Asking, api: WireApi, status: int
) -> None:
    emulated.set_faults({"kind": "status", "status": status})
    tag = tag_of("status")
    answer = emulated.ask(api, tag=tag)
    kind, code = STATUSES[api, status]
    body = answer.json()
    assert answer.status_code == status
    assert body["error"]["type"] == kind
    assert body["error"]["message"]
    if api == "openai":
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert body["error"]["code"] == code
    else:
        assert body["request_id"] == answer.headers["request-id"]
    assert "retry-after" not in answer.headers
    (row,) = emulated.rows(tag=tag)
    assert (row["outcome"], row["billed"], row["cost_usd"]) == (f"status_{status}", False, "0")
    assert row["model"] == MODELS[api]


def test_a_wait_is_told_in_whole_seconds_rounded_up_and_by_openai_in_milliseconds_too(emulated: Asking) -> None:
    emulated.set_faults({"kind": "status", "status": 429, "retry_after": 1.2501})
    openai, anthropic = (emulated.ask(api).headers for api in APIS)
    assert (openai["retry-after"], openai["retry-after-ms"]) == ("2", "1251")
    assert anthropic["retry-after"] == "2"
    assert "retry-after-ms" not in anthropic


@pytest.mark.parametrize("api", APIS)
def test_a_wait_may_be_told_as_a_date(emulated: Asking, api: WireApi) -> None:
    emulated.set_faults({"kind": "status", "status": 529, "retry_after": 30, "retry_after_form": "date"})
    before = datetime.now(UTC)
    headers = emulated.ask(api).headers
    moment = parsedate_to_datetime(headers["retry-after"])
    assert timedelta(seconds=30) <= moment - before < timedelta(seconds=32)
    assert headers["retry-after"].endswith(" GMT")
    assert "retry-after-ms" not in headers


def test_a_quota_that_is_used_up_is_a_429_that_names_no_wait(emulated: Asking) -> None:
    emulated.set_faults({"kind": "quota"})
    openai, anthropic = (emulated.ask(api) for api in APIS)
    assert openai.json()["error"]["code"] == "insufficient_quota"
    assert anthropic.json()["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}
    for answer in (openai, anthropic):
        assert answer.status_code == 429
        assert "retry-after" not in answer.headers


RESETS = [("drop", False), ("hang", False), ("billed_then_drop", True), ("drop_mid_body", True)]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("kind", "billed"), RESETS)
def test_a_connection_is_really_reset_and_the_bill_tells_whether_the_work_was_done(
    emulated: Asking, api: WireApi, kind: str, billed: bool
) -> None:
    emulated.set_faults({"kind": kind, **({"seconds": 0.1} if kind == "hang" else {})})
    tag = tag_of(kind)
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        emulated.ask(api, tag=tag)
    (row,) = emulated.rows(tag=tag)
    assert (row["outcome"], row["billed"], row["cost_usd"] != "0") == (kind, billed, billed)


def test_half_of_the_answer_leaves_before_a_reset_in_the_middle(emulated: Asking) -> None:
    emulated.set_faults({"kind": "drop_mid_body"})
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "What?"}]}
    arrived = list[bytes]()
    with emulated.client.stream("POST", "/v1/chat/completions", json=body, headers=KEYS) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadError, match="reset by peer"):
            arrived.extend(answer.iter_raw())
    assert b"".join(arrived).startswith(b'{"id": "chatcmpl-')
    assert sum(map(len, arrived)) == int(answer.headers["content-length"]) // 2


@pytest.mark.parametrize("api", APIS)
def test_a_broken_200_is_broken_as_its_kind_says_and_billed_where_a_model_worked(
    emulated: Asking, api: WireApi
) -> None:
    def struck_by(kind: str) -> httpx.Response:
        emulated.set_faults({"kind": kind})
        answer = emulated.ask(api, tag=f"{kind}-{api}/$")
        assert answer.status_code == 200
        return answer

    with pytest.raises(json.JSONDecodeError):
        struck_by("malformed").json()
    page = struck_by("html_200")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    assert struck_by("empty_choices").json()["choices" if api == "openai" else "content"] == []
    assert "usage" not in struck_by("no_usage").json()
    billed = {kind: emulated.rows(tag=f"{kind}-{api}/$")[0]["billed"] for kind in ("malformed", "html_200", "no_usage")}
    assert billed == {"malformed": True, "html_200": False, "no_usage": True}


def test_a_slow_answer_comes_in_the_end_and_is_billed_even_to_a_client_that_does_not_wait(
    emulated: Asking, emulator: EmulatorProcess
) -> None:
    emulated.set_faults({"kind": "slow", "seconds": 0.3})
    patient, hasty = tag_of("patient"), tag_of("hasty")
    assert emulated.ask("openai", tag=patient).elapsed > timedelta(seconds=0.3)
    with pytest.raises(httpx.ReadTimeout):
        asking(emulator, timeout=0.1).ask("openai", tag=hasty)
    (row,) = emulated.rows(tag=patient)
    assert (row["outcome"], row["billed"]) == ("slow", True)
    while not (rows := emulated.rows(tag=hasty)):
        continue
    assert (rows[0]["outcome"], rows[0]["billed"]) == ("client_gone", True)


def test_a_hang_that_nobody_waits_for_is_not_billed(emulated: Asking, emulator: EmulatorProcess) -> None:
    emulated.set_faults({"kind": "hang", "seconds": 600})
    tag = tag_of("hang")
    with pytest.raises(httpx.ReadTimeout):
        asking(emulator, timeout=0.1).ask("anthropic", tag=tag)
    while not (rows := emulated.rows(tag=tag)):
        continue
    assert (rows[0]["outcome"], rows[0]["billed"]) == ("hang", False)


@pytest.mark.parametrize(
    ("fault", "strikes"),
    [
        ({}, [True, True, True]),
        ({"provider": "anthropic"}, [False, False, True]),
        ({"match": {"model": "gpt-6-luna"}}, [True, True, False]),
        ({"match": {"contains": 'a "poison"\nof é'}}, [False, True, False]),
        ({"match": {"contains": "poison", "model": "claude-haiku-4-5"}}, [False, False, False]),
    ],
)
def test_a_fault_strikes_only_what_it_is_about(emulated: Asking, fault: dict[str, Any], strikes: list[bool]) -> None:
    emulated.set_faults({"kind": "status", "status": 500, **fault})
    asked = [("openai", "plain"), ("openai", 'with a "poison"\nof é in it'), ("anthropic", "plain")]
    answers = [emulated.ask("openai" if api == "openai" else "anthropic", text) for api, text in asked]
    assert [answer.status_code == 500 for answer in answers] == strikes
    assert emulated.struck() == [sum(strikes)]


def test_the_first_fault_that_fits_strikes_and_only_so_often(emulated: Asking) -> None:
    emulated.set_faults({"kind": "status", "status": 500, "times": 2}, {"kind": "status", "status": 503, "times": 1})
    assert [emulated.ask("openai").status_code for _ in range(5)] == [500, 500, 503, 200, 200]
    assert emulated.struck() == [2, 1]


def test_a_request_that_is_wrong_by_itself_is_refused_for_that(emulated: Asking) -> None:
    emulated.set_faults({"kind": "drop"})
    assert emulated.ask("openai", model="none").status_code == 404
    assert emulated.client.post("/v1/messages", content=b"{").status_code == 400
    assert emulated.client.get("/v1/models", headers={"authorization": "Bearer k"}).status_code == 200
    assert emulated.struck() == [0]


def forecast(faults: list[Fault], seed: int, rows: list[dict[str, Any]]) -> list[str]:
    """What the bill should call each of these requests, told from their hashes and attempts alone."""
    there, said = Faults(faults, seed), list[str]()
    for row in rows:
        columns = {key: row[key] for key in ("time", "api", "request_id", "tag", "model", "prompt_hash", "attempt")}
        fault = there.strike(Entry(**columns), "")
        said.append("ok" if fault is None else fault.outcome)
    return said


def test_faults_by_chance_follow_from_the_seed_the_request_and_the_attempt(emulated: Asking) -> None:
    faults = [
        Fault(kind=FaultKind.STATUS, status=500, probability=0.3),
        Fault(kind=FaultKind.STATUS, status=503, probability=0.3),
    ]
    emulated.set_faults(*(fault.model_dump(mode="json") for fault in faults))
    for number in list(range(60)) * 2:
        emulated.ask("openai", f"number {number}", tag="chance/$")
    rows = emulated.rows(tag="chance/$")
    said = [row["outcome"] for row in rows]
    assert said == forecast(faults, 0, rows)
    assert said != forecast(faults, 1, rows)
    assert said[:60] != said[60:], "a retry draws anew, or it would never help"
    assert 0.18 < said.count("status_500") / 120 < 0.42
    assert 0.1 < said.count("status_503") / 120 < 0.33, "each fault draws for itself, among what those before spared"


def test_the_faults_are_replaced_shown_and_cleared(emulated: Asking) -> None:
    emulated.set_faults({"kind": "drop"})
    given = {"kind": "slow", "seconds": 1.5, "provider": "openai", "match": {"contains": "x"}, "times": 3}
    emulated.set_faults(given)
    assert emulated.client.get("/__emu/faults").json() == {"faults": [{**given, "struck": 0}]}
    assert emulated.client.delete("/__emu/faults").json() == {"faults": []}
    assert emulated.ask("openai").status_code == 200


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([{"knd": "drop"}], "faults.0: unknown key 'knd'. Did you mean 'kind'?"),
        ([{"kind": "drop"}, {"kind": "dorp"}], "faults.1.kind: Input should be 'status'"),
        ([{"kind": "status"}], "faults.0: a fault of kind 'status' needs 'status'."),
        ([{"kind": "status", "status": 418}], "faults.0.status: Input should be 400"),
        ([{"kind": "drop", "status": 500}], "a fault of kind 'drop' takes no 'status'."),
        ([{"kind": "hang"}], "a fault of kind 'hang' needs 'seconds'."),
        ([{"kind": "quota", "retry_after": 1}], "a fault of kind 'quota' takes no 'retry_after'."),
        ([{"kind": "drop", "probability": 1.5}], "faults.0.probability: Input should be less than or equal to 1"),
        ([{"kind": "drop", "match": {"modle": "x"}}], "faults.0.match: unknown key 'modle'. Did you mean 'model'?"),
        ([{"kind": "drop", "match": {"model": "gpt-5"}}], "faults.0.match.model: unknown model 'gpt-5'."),
        ("all of them", "faults: Input should be a valid"),
    ],
)
def test_a_mistake_in_a_fault_is_named_and_changes_nothing(emulated: Asking, faults: object, message: str) -> None:
    emulated.set_faults({"kind": "drop", "times": 1})
    refused = emulated.client.post("/__emu/faults", json={"faults": faults})
    assert refused.status_code == 400
    assert message in refused.json()["error"]
    assert emulated.struck() == [0]


def test_the_server_outlives_hundreds_of_resets_at_once_and_says_nothing(
    emulated: Asking, emulator: EmulatorProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    kinds = [FaultKind.DROP, FaultKind.DROP_MID_BODY, FaultKind.BILLED_THEN_DROP]
    emulated.set_faults(*({"kind": kind, "match": {"contains": f"<{kind.value}>"}} for kind in kinds))

    def ask_forty_times(worker: int) -> int:
        broken = 0
        with asking(emulator).client as client:
            for number in range(40):
                try:
                    Asking(client).ask("openai", f"<{[*kinds, 'none'][number % 4]}> {worker}.{number}", tag="many/$")
                except httpx.ReadError:
                    broken += 1
        return broken

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask_forty_times, range(8))) == 240
    assert len(emulated.rows(tag="many/$")) == 320
    assert capfd.readouterr().err == ""
