"""Server-sent events come apart at the same places however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.providers.events import EventReader

STREAM = (
    b"\xef\xbb\xbf: a comment\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines\nid: 7\n\n"
    b"\n\ndata\n\ndata: thr\xe2\x80\xa8ee\r\rretry: 1\rdata: four\r\r"
)
EVENTS = [b"one", b"two\nlines", b"thr\xe2\x80\xa8ee", b"four"]


@given(st.sets(st.integers(0, len(STREAM))))
def test_wherever_the_bytes_are_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    parts = [STREAM[start:end] for start, end in pairwise(places)]
    assert [event for part in [*parts, b"\n"] for event in reader.feed(part)] == EVENTS


@pytest.mark.parametrize("text", [b"data: cut off", b"data: cut off\n"])
def test_an_event_that_was_cut_off_is_none(text: bytes) -> None:
    assert list(EventReader().feed(text)) == []
