"""Earlier turns and files out of anybody's input: what is right comes through, all else is told without its content."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mirepoix.errors import PipelineError
from tasks.conversation import MAX_FILE_BYTES, MAX_FILES, parse_files, parse_messages
from tasks.providers.base import File, ToolCall, Turn

DATA = base64.b64encode(b"bytes").decode()
PICTURE: JsonValue = {"media_type": "image/png", "data": DATA, "name": "a.png"}


def test_turns_come_in_order_with_their_files() -> None:
    value: JsonValue = [{"role": "user", "content": "A", "files": [PICTURE]}, {"role": "assistant", "content": "B"}]
    assert parse_messages(value) == (
        Turn("user", "A", (File("image/png", DATA, None, "a.png"),)),
        Turn("assistant", "B"),
    )


def test_what_a_tool_gave_belongs_to_the_call_that_was_asked_for() -> None:
    call: JsonValue = {"id": "c1", "name": "look_up", "arguments": {"word": "a"}}
    asks: JsonValue = {"role": "assistant", "content": "", "tool_calls": [call]}
    made = ToolCall("c1", "look_up", {"word": "a"})
    assert parse_messages([asks, {"role": "tool", "content": "found", "tool_call_id": "c1"}]) == (
        Turn("assistant", "", calls=(made,)),
        Turn("tool", "found", answers=made),
    )
    wrongs: list[JsonValue] = [
        {"role": "tool", "content": "x", "tool_call_id": "c2"},
        {"role": "tool", "content": "x"},
    ]
    for wrong in wrongs:
        with pytest.raises(PipelineError, match=r"messages\.1"):
            parse_messages([asks, wrong])


@pytest.mark.parametrize("value", [None, []])
def test_nothing_is_nothing(value: JsonValue) -> None:
    assert (parse_messages(value), parse_files(value)) == ((), ())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a secret", "messages: Input should be a valid list"),
        ({"a secret": 1}, "messages: Input should be a valid list"),
        (["a secret"], "messages.0: "),
        ([{"role": "system", "content": "a secret"}], "messages.0.role: .* A system prompt stands in the call's"),
        ([{"role": "user"}], "messages.0.content: Field required"),
        ([{"role": "user", "content": ["a secret"]}], "messages.0.content: Input should be a valid string"),
        ([{"role": "user", "content": "x", "name": "a secret"}], "messages.0.name: Extra inputs"),
        ([{"role": "user", "content": "x", "files": [7]}], "files.0: "),
        ([{"role": "user", "content": "x"}] * 1001, "messages: .* at most 1000 items"),
    ],
)
def test_what_is_no_conversation_is_told_where(value: JsonValue, says: str) -> None:
    with pytest.raises(PipelineError, match=says) as caught:
        parse_messages(value)
    assert "a secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("a secret", "files.0: "),
        ({"data": DATA}, "files.0.media_type: Field required"),
        ({"media_type": "image/png"}, "files.0: .*give data .base64. or url, one of them"),
        ({"media_type": "image/png", "data": DATA, "url": "https://a.org/b"}, "one of them"),
        ({"media_type": "image/png\r\nx: y", "data": DATA}, "files.0.media_type"),
        ({"media_type": "../etc", "data": DATA}, "files.0.media_type"),
        ({"media_type": "image/png", "data": "a secret!"}, "files.0.data: it is not base64"),
        ({"media_type": "image/png", "data": "é"}, "files.0.data: it is not base64"),
        ({"media_type": "image/png", "data": ""}, "files.0.data: the file is empty"),
        ({"media_type": "image/png", "data": 7}, "files.0.data"),
        ({"media_type": "image/png", "url": "file:///etc/passwd"}, "files.0.url"),
        ({"media_type": "image/png", "url": "http://169.254.169.254/"}, "files.0.url"),
        ({"media_type": "image/png", "url": "https://a.org/" + "x" * 3000}, "files.0.url"),
        ({"media_type": "image/png", "data": DATA, "name": "a\nb"}, "files.0.name"),
        ({"media_type": "image/png", "data": DATA, "extra": 1}, "files.0.extra"),
    ],
)
def test_what_is_no_file_is_told_where(file: JsonValue, says: str) -> None:
    with pytest.raises(PipelineError, match=says) as caught:
        parse_files([file])
    assert "a secret" not in str(caught.value)


def test_files_have_a_bound_in_number_and_size() -> None:
    with pytest.raises(PipelineError, match="at most 100 items"):
        parse_files([PICTURE] * (MAX_FILES + 1))
    half = base64.b64encode(b"x" * (MAX_FILE_BYTES // 2 + 1)).decode()
    with pytest.raises(PipelineError, match="the limit is 20,000,000"):
        parse_files([{"media_type": "image/png", "data": half}] * 2)


JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.sampled_from(["role", "content", "files", "data", "media_type", "x"]), below, max_size=4),
    ),
)


@given(JSON)
def test_whatever_comes_is_read_or_refused(value: JsonValue) -> None:
    for parse in (parse_messages, parse_files):
        with suppress(PipelineError):
            assert isinstance(parse(value), tuple)
