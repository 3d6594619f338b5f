"""Nothing of a text is hidden, and nothing of it turns the text around."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.pages.plain import excerpt, one_line, plain

HIDDEN = {"Cc", "Cf", "Cs"}
SEEN = {"\n", "\t"}


@given(st.text(st.characters()))
def test_no_character_stays_that_cannot_be_seen(text: str) -> None:
    """Of the format characters some can be: the signs of Arabic numbers and of hieroglyphs, which take part in them."""
    bad = [char for char in plain(text) if unicodedata.category(char) in HIDDEN and char not in SEEN]
    kept = [char for char in bad if unicodedata.bidirectional(char) not in ("AN", "L", "ON")]
    assert kept == []


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_what_can_be_seen_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("\x1b[31m", "\u241b[31m"),
        ("\u202eabc\u2066", "<U+202E>abc<U+2066>"),
        ("\x00\x7f", "\u2400\u2421"),
        ("a\r\nb", "a\nb"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
        ("pay\u200bpal", "pay<U+200B>pal"),
    ],
)
def test_it_is_spelled_out(text: str, spelled: str) -> None:
    assert plain(text) == spelled


@given(st.text(), st.integers(2, 50))
def test_a_line_is_short_and_one(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert "\n" not in line
    assert len(line) <= longest * len("<U+10FFFF>")


def test_an_excerpt_knows_how_much_there_is() -> None:
    part = excerpt("x" * 5000)
    assert (len(part.text), part.length, part.cut) == (4000, 5000, True)
    assert excerpt({"a": [1]}).text == '{\n  "a": [\n    1\n  ]\n}'
    assert not excerpt("short").cut
