"""Results: medians, goals, JSON, and the document that is written from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import report
from bench.result import Figure, Goal, Machine, Report, Result, Row, ratio, shown


def figure(name: str, *values: float) -> Figure:
    return Figure(name=name, unit="s", values=values)


RESULT = Result(
    section="a",
    title="Calls",
    rows=(
        Row(name="one", figures=(figure("rate", 3, 1, 2), figure("CPU", 10))),
        Row(name="all", figures=(figure("rate", 8), figure("memory", 1), figure("CPU", 4))),
        Row(name="none", note="skipped: not installed"),
    ),
    goals=(Goal(text="CPU", value=2.6, bound=2.5), Goal(text="rate", value=2, bound=2, must_be="at least")),
)
REPORT = Report(
    date="2026-01-01T00:00:00+00:00",
    scale="quick",
    machine=Machine(cpu="a processor", cores=2, memory_gb=8, system="Linux", python="3.11"),
    load=(0, 1),
    versions={"celery": "5"},
    sections=(RESULT,),
)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert RESULT.row("one").median("rate") == 2
    with pytest.raises(KeyError, match="one has no figure 'memory'"):
        RESULT.row("one").median("memory")


def test_columns_stand_in_the_order_of_the_fullest_row() -> None:
    assert [name for name, _ in RESULT.columns] == ["rate", "memory", "CPU"]


def test_goals_say_whether_they_are_met() -> None:
    assert [str(goal) for goal in RESULT.goals] == [
        "CPU: 2.60, goal at most 2.5: NOT MET",
        "rate: 2.00, goal at least 2: met",
    ]
    assert "not measured" in str(Goal(text="it", value=ratio(1, None), bound=2))


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (0.0123, "0.012")])
def test_numbers_are_shown_with_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_report_is_the_same_after_json() -> None:
    assert Report.model_validate_json(REPORT.model_dump_json()) == REPORT


def test_a_document_gets_tables_goals_and_plots_between_its_markers(tmp_path: Path) -> None:
    kept, document = tmp_path / "latest.json", tmp_path / "performance.md"
    lines = RESULT.model_copy(update={"section": "b", "series": {"one": ((0, 1), (1, 2))}, "axes": ("calls", "s")})
    kept.write_text(REPORT.model_copy(update={"sections": (RESULT, lines)}).model_dump_json())
    document.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n")
    report.main(kept, tmp_path / "memory.json", document, tmp_path)
    text = document.read_text()
    assert text.startswith(f"Before.\n{report.BEGIN}\n*2026-01-01")
    assert text.endswith(f"{report.END}\nAfter.\n")
    assert "| all | 8.00 | 1.00 | 4.00 |" in text
    assert "- none: skipped: not installed" in text
    assert "goal at most 2.5: NOT MET" in text
    first = {file.name: file.read_text() for file in tmp_path.glob("*.svg")}
    assert set(first) == {"performance-a.svg", "performance-b.svg"}
    report.main(kept, tmp_path / "memory.json", document, tmp_path)
    assert document.read_text() == text
    assert {name: (tmp_path / name).read_text() for name in first} == first


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    kept, document = tmp_path / "latest.json", tmp_path / "performance.md"
    kept.write_text(REPORT.model_dump_json())
    document.write_text("Nothing here.\n")
    with pytest.raises(ValueError, match="needs one"):
        report.main(kept, tmp_path / "memory.json", document, tmp_path)
    assert document.read_text() == "Nothing here.\n"
