"""What the end of a run tells beside pytest's own summary.

The hook stands here because the controller of pytest-xdist loads no conftest further below.
"""

from __future__ import annotations

import pytest

from tests.conformance.summary import tell_conformance


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many checks each official SDK passed against the emulator."""
    lines = list(tell_conformance(terminalreporter.stats))
    if lines:
        terminalreporter.section("conformance")
        for line in lines:
            terminalreporter.write_line(line)
