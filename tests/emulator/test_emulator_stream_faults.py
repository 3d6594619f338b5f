"""Streams that go wrong, as any HTTP client sees them, and what the bill says of each."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from emulator.profiles import WireApi
from tests.emulator.asking import APIS, Asking, tag_of
from tests.emulator.streaming import Read, read_stream

QUESTION = "What is the capital of France?"


def struck_by(there: Asking, api: WireApi, fault: dict[str, Any]) -> tuple[Read, dict[str, Any]]:
    """The stream, and its row on the bill."""
    there.set_faults(fault)
    tag = tag_of(fault["kind"])
    read = read_stream(there, api, QUESTION, tag=tag)
    (row,) = there.rows(tag=tag)
    assert row["billed"]
    assert row["outcome"] == fault["kind"]
    return read, row


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("after_chunks", "said"), [(None, "Pari"), (0, ""), (1, "Pari"), (9, "Paris")])
def test_a_cut_stream_ends_well_for_http_but_says_no_reason_and_no_usage(
    emulated: Asking, api: WireApi, after_chunks: int | None, said: str
) -> None:
    given = {} if after_chunks is None else {"after_chunks": after_chunks}
    read, row = struck_by(emulated, api, {"kind": "stream_cut", **given})
    assert read.error is None
    assert read.text() == said
    assert not read.is_complete()
    ends = [event for event in read.data if '"end_turn"' in json.dumps(event) or '"stop"' in json.dumps(event)]
    assert ends == []
    assert row["output_tokens"] == 2, "the model did all of its work"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", ["stream_drop", "drop_mid_body"])
def test_a_dropped_stream_is_really_reset_after_half_of_its_tokens(emulated: Asking, api: WireApi, kind: str) -> None:
    read, _ = struck_by(emulated, api, {"kind": kind})
    assert isinstance(read.error, httpx.ReadError)
    assert read.text() == "Pari"


@pytest.mark.parametrize("api", APIS)
def test_a_stalled_stream_goes_on_after_its_seconds(emulated: Asking, api: WireApi) -> None:
    read, _ = struck_by(emulated, api, {"kind": "stream_stall", "seconds": 0.3, "after_chunks": 1})
    assert read.text() == "Paris"
    assert read.is_complete()
    gaps = [later - sooner for sooner, later in zip(read.times, read.times[1:], strict=False)]
    assert max(gaps) > 0.25, "the silence is in the middle"


@pytest.mark.parametrize("api", APIS)
def test_an_error_may_come_after_the_stream_has_begun(emulated: Asking, api: WireApi) -> None:
    read, _ = struck_by(emulated, api, {"kind": "stream_error_event"})
    assert read.text() == "Pari"
    kinds = {"openai": "service_unavailable_error", "anthropic": "overloaded_error"}
    assert read.data[-1]["error"]["type"] == kinds[api]
    assert read.names[-1] == (None if api == "openai" else "error")


@pytest.mark.parametrize("api", APIS)
def test_an_error_may_come_instead_of_an_answer_with_status_200(emulated: Asking, api: WireApi) -> None:
    read, _ = struck_by(emulated, api, {"kind": "error_in_200"})
    assert [event.keys() & {"error"} for event in read.data] == [{"error"}]
    emulated.set_faults({"kind": "error_in_200"})
    plain = emulated.ask(api)
    assert (plain.status_code, "error" in plain.json()) == (200, True)
    if api == "openai":
        assert plain.json()["error"]["code"] == 502, "a number, as OpenRouter's"


@pytest.mark.parametrize("api", APIS)
def test_an_event_may_break_off_in_its_json(emulated: Asking, api: WireApi) -> None:
    read, _ = struck_by(emulated, api, {"kind": "malformed"})
    assert read.text() == "Pari"
    assert isinstance(read.data[-1], str)


@pytest.mark.parametrize("api", APIS)
def test_usage_may_be_missing_or_wrong_and_choices_too(emulated: Asking, api: WireApi) -> None:
    missing, _ = struck_by(emulated, api, {"kind": "no_usage"})
    assert not any("usage" in json.dumps(event) for event in missing.data)
    wrong, row = struck_by(emulated, api, {"kind": "wrong_usage"})
    first, second, *_ = wrong.usage().values()
    assert (first, second < 0) == ("many", True)
    assert row["output_tokens"] == 2, "the bill counts as ever"
    for read in (missing, wrong):
        assert read.text() == "Paris"
        assert read.is_complete()
    empty, _ = struck_by(emulated, api, {"kind": "empty_choices"})
    assert empty.is_complete()
    assert empty.text() == ""
    assert "content_block_start" not in empty.names


@pytest.mark.parametrize("api", APIS)
def test_faults_of_streams_spare_plain_requests_and_those_of_plain_ones_strike_streams(
    emulated: Asking, api: WireApi
) -> None:
    emulated.set_faults(
        *({"kind": kind} for kind in ("stream_cut", "stream_drop", "stream_error_event")),
        {"kind": "stream_stall", "seconds": 60},
    )
    assert emulated.ask(api).status_code == 200
    assert emulated.struck() == [0, 0, 0, 0]
    emulated.set_faults({"kind": "billed_then_drop"})
    assert isinstance(read_stream(emulated, api).error, httpx.ReadError)
    emulated.set_faults({"kind": "slow", "seconds": 0.2})
    assert read_stream(emulated, api).times[0] > 0.2
    emulated.set_faults({"kind": "status", "status": 429, "retry_after": 3})
    with pytest.raises(AssertionError, match=r"[Rr]ate.limit"):
        read_stream(emulated, api)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "stream_stall"}, "a fault of kind 'stream_stall' needs 'seconds'."),
        ({"kind": "text"}, "a fault of kind 'text' needs 'text'."),
        ({"kind": "retry_after_on_200"}, "a fault of kind 'retry_after_on_200' needs 'retry_after'."),
        ({"kind": "drop", "after_chunks": 1}, "a fault of kind 'drop' takes no 'after_chunks'."),
        ({"kind": "refusal", "text": "No."}, "a fault of kind 'refusal' takes no 'text'."),
        ({"kind": "endless_stream", "size": 5}, "a fault of kind 'endless_stream' takes no 'size'."),
    ],
)
def test_a_fault_is_told_what_it_needs(emulated: Asking, fault: dict[str, Any], message: str) -> None:
    refused = emulated.client.post("/__emu/faults", json={"faults": [fault]})
    assert refused.status_code == 400
    assert message in refused.json()["error"]
