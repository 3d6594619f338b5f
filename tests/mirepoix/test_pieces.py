"""Pieces of an answer, put together by who listens, whatever is lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirepoix.pieces import Listening, Piece, Told, decode


def passed_on(told: list[Told], output: object) -> list[Piece]:
    """What a listener gets of what was told, and then of the end."""
    listening = Listening()
    pieces = [piece for one in told if (piece := listening.hear(one)) is not None]
    return [*pieces, *listening.end(output)]  # type: ignore[arg-type] # any JSON


def text_of(pieces: list[Piece]) -> str:
    """What they come to."""
    text = ""
    for piece in pieces:
        text = piece.text if piece.restart else text + piece.text
    return text


def runs(texts: list[list[str]]) -> list[Told]:
    """Attempts one after another, each in pieces."""
    told: list[Told] = []
    for number, pieces in enumerate(texts):
        at = 0
        for text in ["", *pieces]:
            told.append(Told(run=number, at=at, text=text))
            at += len(text)
    return told


@given(st.lists(st.lists(st.text(max_size=4), max_size=5), min_size=1, max_size=3), st.data())
def test_whatever_is_lost_or_comes_late_the_answer_is_whole(texts: list[list[str]], data: st.DataObject) -> None:
    told = runs(texts)
    kept = [one for one in told if data.draw(st.booleans())] + data.draw(st.lists(st.sampled_from(told), max_size=3))
    output = "".join(texts[-1])
    assert text_of(passed_on(kept, output)) == output
    assert text_of(passed_on(told, output)) == output


def test_a_gap_is_silent_until_the_end() -> None:
    told = runs([["one ", "two ", "three"]])
    assert passed_on([told[0], told[1], told[3]], "one two three") == [Piece("one "), Piece("two three")]


def test_a_new_attempt_says_at_once_that_what_came_is_void() -> None:
    assert passed_on(runs([["This"], []]), "") == [Piece("This"), Piece("", restart=True)]
    assert passed_on(runs([[], ["That"]]), "That") == [Piece("That")]


def test_an_output_that_is_no_text_comes_as_json() -> None:
    assert passed_on([], {"é": 1}) == [Piece('{"é": 1}')]


@given(st.text(), st.integers(0, 2**60), st.integers(0, 2**60))
def test_what_is_told_arrives_as_it_was(text: str, run: int, at: int) -> None:
    told = Told(run=run, at=at, text=text + "\ud800\x00")
    assert decode(told.encode()) == told


@given(st.binary(max_size=50) | st.sampled_from([b"[1,2]", b'{"run":1}', b'[1,-1,""]', b'["1",0,""]', b"[" * 20_000]))
def test_what_nobody_of_us_says_is_not_listened_to(data: bytes) -> None:
    told = decode(data)
    assert told is None or told.at >= 0
