"""What the end of a run tells beside pytest's own summary.

The hook stands here because the controller of pytest-xdist loads no conftest further below.
"""

from __future__ import annotations

import pytest

from tests.conformance.summary import tell_conformance

LONGEST = ("test_state_machine", "test_up", "test_shutdown", "test_docs", "test_fairness", "test_ocr", "test_documents")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many checks each official SDK passed against the emulator, and figures that tests measured."""
    lines = list(tell_conformance(terminalreporter.stats))
    if lines:
        terminalreporter.section("conformance")
        for line in lines:
            terminalreporter.write_line(line)
    _tell_figures(terminalreporter)


def _tell_figures(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests gave to `record_property("figure", ...)`."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    figures = [str(value) for report in reports for name, value in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest come first, so that no process is left alone with them at the end."""
    system = {item.path for item in items if item.get_closest_marker("system")}
    items.sort(key=lambda item: (item.path.stem not in LONGEST, item.path not in system))
