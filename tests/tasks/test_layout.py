"""Lines of a page become text in the order in which one reads."""

from __future__ import annotations

import math

from tasks.local_models.layout import Fragment, read_in_order

HEIGHT, PITCH, LETTER = 20.0, 28.0, 10.0


def line(text: str, left: float, row: float) -> Fragment:
    top = 100 + row * PITCH
    return Fragment(text, left=left, top=top, right=left + LETTER * len(text), bottom=top + HEIGHT)


def tilted(fragment: Fragment, degrees: float) -> Fragment:
    """As it stands on a page that was turned about its corner."""
    angle = math.radians(degrees)
    x, y = (fragment.left + fragment.right) / 2, fragment.middle
    across, down = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    half = (fragment.right - fragment.left) / 2
    return Fragment(fragment.text, across - half, down - HEIGHT / 2, across + half, down + HEIGHT / 2, angle)


def test_nothing_is_nothing() -> None:
    assert read_in_order([]) == ""


def test_lines_are_joined_and_a_broken_word_becomes_whole() -> None:
    page = [line("It was the best of ti-", 50, 0), line("mes, it was the worst", 50, 1), line("of times.", 50, 2)]
    assert read_in_order(page[::-1]) == "It was the best of times, it was the worst of times."


def test_a_hyphen_before_a_capital_stays() -> None:
    assert read_in_order([line("the whole of Austria-", 50, 0), line("Hungary was at war.", 50, 1)]).startswith(
        "the whole of Austria- Hungary"
    )


def test_pieces_of_one_line_are_read_from_left_to_right() -> None:
    page = [line("one two three four five", 400, 0), line("zero zero zero zero zero", 50, 0.1)]
    assert read_in_order(page) == "zero zero zero zero zero one two three four five"


def test_a_gap_an_indent_and_a_short_line_each_begin_a_paragraph() -> None:
    long = "a line that fills its column"
    page = [
        *(line(f"{long}", 50, 0), line("short end.", 50, 1), line(long, 50, 2), line(long, 50, 3)),
        *(line(long[3:], 80, 4), line(long, 50, 5), line(long, 50, 7)),
    ]
    assert len(read_in_order(page).splitlines()) == 4


def two_columns() -> list[Fragment]:
    left = [line(f"left column line {index}", 50, index) for index in range(5)]
    right = [line(f"right column line {index}", 300, index) for index in range(5)]
    return [line for pair in zip(left, right, strict=True) for line in pair]


def test_columns_are_read_one_after_the_other() -> None:
    said = read_in_order(two_columns())
    assert said.index("left column line 4") < said.index("right column line 0")


def test_columns_below_a_heading_are_found() -> None:
    said = read_in_order([line("A heading that goes over both of the columns", 50, -2), *two_columns()])
    assert said.startswith("A heading")
    assert said.index("left column line 4") < said.index("right column line 0")


def test_columns_of_a_tilted_page_are_found() -> None:
    said = read_in_order([tilted(fragment, 2.0) for fragment in two_columns()])
    assert said.index("left column line 4") < said.index("right column line 0")


def test_a_table_is_read_row_by_row() -> None:
    page = [line(text, left, row) for row in range(4) for text, left in ((f"item {row}", 50), (f"{row}.99", 300))]
    assert "item 0 0.99" in read_in_order(page)


def test_a_page_of_any_size_is_read_in_reasonable_time() -> None:
    page = [line("word word word", (index % 7) * 200, index // 7) for index in range(1000)]
    assert read_in_order(page).count("word word word") == 1000
